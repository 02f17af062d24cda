//! The generated pages are those that the tables give now.

use super::{Complaint, complaint};
use crate::pages::{self, Page};
use crate::tree::Tree;

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    stale(tree, &pages::all())
}

fn stale(tree: &Tree, pages: &[Page]) -> Vec<Complaint> {
    let is_stale = |page: &&Page| tree.texts.get(page.path).is_none_or(|text| *text != page.text);
    let old = pages.iter().filter(is_stale);
    old.map(|page| complaint(page.path, 0, "is not what the tables say: run `cargo xtask docs`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_page_and_an_old_one_are_caught() {
        let page = |text: &str| [Page { path: "docs/reference/a.md", text: text.to_owned() }];
        let tree = Tree::of(&[("docs/reference/a.md", "old\n")]);
        assert_eq!(stale(&tree, &page("new\n")).len(), 1);
        assert_eq!(stale(&Tree::of(&[]), &page("new\n")).len(), 1);
        assert!(stale(&tree, &page("old\n")).is_empty());
    }
}

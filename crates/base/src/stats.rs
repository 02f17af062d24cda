//! Statistics: plain integers of one core, declared once with their help text beside the code
//! that bumps them, merged over cores when somebody asks.

/// What one counter is, for INFO, metrics and the generated reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatInfo {
    /// The name users see.
    pub name: &'static str,
    /// One sentence: what is counted, in which unit.
    pub help: &'static str,
}

/// Declares a struct of `u64` counters with their help texts.
///
/// ```
/// base::stats! {
///     /// What the door counts.
///     pub struct Door {
///         /// People that came in.
///         entered,
///     }
/// }
/// let mut door = Door::default();
/// door.entered += 2;
/// door.merge(&door.clone());
/// assert_eq!(door.entered, 4);
/// assert_eq!(Door::INFO[0].name, "entered");
/// ```
#[macro_export]
macro_rules! stats {
    ($(#[doc = $essay:literal])* $vis:vis struct $name:ident { $(#[doc = $help:literal] $field:ident),* $(,)? }) => {
        $(#[doc = $essay])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        $vis struct $name { $(#[doc = $help] pub $field: u64),* }

        impl $name {
            /// Name and help text of each counter, in the order of declaration.
            pub const INFO: &'static [$crate::stats::StatInfo] =
                &[$($crate::stats::StatInfo { name: stringify!($field), help: $help }),*];

            /// Adds another core's counters to these.
            pub fn merge(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }

            /// The counters in the order of [`Self::INFO`].
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field),*]
            }
        }
    };
}

//! A space: the tables of one numbered family, with counts to draw a table by.
//!
//! There is a table for each of 16384 numbers, and most programs that use few numbers or few
//! families should not pay for the others: the headers are one mapping of 64 bytes a table whose
//! pages are not resident before a table in them is used, and a family without keys has none.

use crate::region::Region;
use crate::table::Head;
use core::ptr::NonNull;

/// Tables of a space.
pub const TABLES: usize = 16384;
/// Tables that are counted together at the finer and at the coarser level.
const NARROW: usize = 16;
const WIDE: usize = 512;
/// Headers become resident by pages, of which this is the smallest size in use.
const PAGE_BYTES: usize = 4096;
const TABLES_PER_PAGE: usize = PAGE_BYTES / size_of::<Head>();
const HEADS_BYTES: usize = TABLES * size_of::<Head>();
const REGION_BYTES: usize = HEADS_BYTES + TABLES * size_of::<u32>();
const ALIGN: usize = 64 << 10;

/// Counts of something over the tables of a space, summed at two levels.
pub(crate) struct Counts {
    total: u64,
    wide: [u64; TABLES / WIDE],
    narrow: [u64; TABLES / NARROW],
}

impl Counts {
    fn new() -> Counts {
        Counts { total: 0, wide: [0; TABLES / WIDE], narrow: [0; TABLES / NARROW] }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    #[inline]
    fn add(&mut self, table: usize, change: i64) {
        self.total = self.total.wrapping_add_signed(change);
        self.wide[table / WIDE] = self.wide[table / WIDE].wrapping_add_signed(change);
        self.narrow[table / NARROW] = self.narrow[table / NARROW].wrapping_add_signed(change);
    }

    /// The table that the thing number `rank`, below the total, is in. `of` gives a table's count.
    fn table_of(&self, mut rank: u64, of: impl Fn(usize) -> u64) -> usize {
        let mut descend = |counts: &mut dyn Iterator<Item = (usize, u64)>| {
            for (index, count) in counts {
                if rank < count {
                    return index;
                }
                rank -= count;
            }
            unreachable!("the counts of a level add up to that of the level above")
        };
        let wide = descend(&mut self.wide.iter().copied().enumerate());
        let first = wide * (WIDE / NARROW);
        let narrow =
            descend(&mut (first..first + WIDE / NARROW).map(|index| (index, self.narrow[index])));
        descend(&mut (narrow * NARROW..(narrow + 1) * NARROW).map(|table| (table, of(table))))
    }

    /// The first table from `from` on that has any.
    fn next(&self, from: usize, of: impl Fn(usize) -> u64) -> Option<usize> {
        let mut table = from;
        while table < TABLES {
            if table.is_multiple_of(WIDE) && self.wide[table / WIDE] == 0 {
                table += WIDE;
            } else if table.is_multiple_of(NARROW) && self.narrow[table / NARROW] == 0 {
                table += NARROW;
            } else if of(table) == 0 {
                table += 1;
            } else {
                return Some(table);
            }
        }
        None
    }
}

/// The tables of a space that has, or had, keys.
pub(crate) struct Space {
    region: Region,
    pub(crate) keys: Box<Counts>,
    pub(crate) deadlines: Box<Counts>,
    /// One bit for each page of headers that was written.
    touched: [u64; TABLES / TABLES_PER_PAGE / 64],
}

impl Space {
    pub(crate) fn new() -> Space {
        Space {
            region: Region::map(REGION_BYTES.next_multiple_of(ALIGN), ALIGN),
            keys: Box::new(Counts::new()),
            deadlines: Box::new(Counts::new()),
            touched: [0; TABLES / TABLES_PER_PAGE / 64],
        }
    }

    /// The first header; the others follow.
    pub(crate) fn heads(&self) -> NonNull<Head> {
        self.region.base().cast()
    }

    #[inline]
    pub(crate) fn head(&self, table: usize) -> &Head {
        assert!(table < TABLES);
        // SAFETY: the region begins with TABLES headers, and zero is an empty table.
        unsafe { self.heads().add(table).as_ref() }
    }

    #[inline]
    pub(crate) fn head_mut(&mut self, table: usize) -> &mut Head {
        assert!(table < TABLES);
        // SAFETY: as in `head`, and `&mut self` makes us the only user.
        unsafe { self.heads().add(table).as_mut() }
    }

    fn table_deadlines(&self, table: usize) -> NonNull<u32> {
        assert!(table < TABLES);
        // SAFETY: behind the headers lies one count for each table.
        unsafe { self.region.base().add(HEADS_BYTES).cast::<u32>().add(table) }
    }

    /// Keys of a table that have a deadline.
    pub(crate) fn deadlines_of(&self, table: usize) -> u64 {
        // SAFETY: within the region.
        u64::from(unsafe { self.table_deadlines(table).read() })
    }

    /// Counts a key that came. Gives the bytes that its table's header is the first to touch.
    #[inline]
    pub(crate) fn count_new_key(&mut self, table: usize) -> usize {
        self.keys.add(table, 1);
        let (page, bit) = (table / TABLES_PER_PAGE / 64, 1 << (table / TABLES_PER_PAGE % 64));
        let first = self.touched[page] & bit == 0;
        self.touched[page] |= bit;
        if first { PAGE_BYTES } else { 0 }
    }

    /// Counts keys that went.
    #[inline]
    pub(crate) fn count_gone_keys(&mut self, table: usize, count: usize) {
        self.keys.add(table, -(count as i64));
    }

    /// Counts deadlines that came or went.
    pub(crate) fn count_deadlines(&mut self, table: usize, change: i64) {
        self.deadlines.add(table, change);
        let count = self.table_deadlines(table);
        // SAFETY: within the region, and `&mut self` makes us the only user.
        unsafe { count.write(count.read().wrapping_add_signed(change as i32)) };
    }

    /// A table drawn by its keys, or by its deadlines. `rank` is below their total.
    pub(crate) fn table_of(&self, rank: u64, by_deadlines: bool) -> usize {
        if by_deadlines {
            self.deadlines.table_of(rank, |table| self.deadlines_of(table))
        } else {
            self.keys.table_of(rank, |table| self.head(table).keys() as u64)
        }
    }

    /// The first table from `from` on that has keys, or deadlines.
    pub(crate) fn next_table(&self, from: usize, with_deadlines: bool) -> Option<usize> {
        if with_deadlines {
            self.deadlines.next(from, |table| self.deadlines_of(table))
        } else {
            self.keys.next(from, |table| self.head(table).keys() as u64)
        }
    }

    /// Bytes that a space takes before its first key: its counts.
    pub(crate) const EMPTY_BYTES: usize = 2 * size_of::<Counts>() + TABLES * size_of::<u32>();

    /// Bytes that the counts and the pages of headers take.
    pub(crate) fn bytes(&self) -> usize {
        let pages: u32 = self.touched.iter().map(|bits| bits.count_ones()).sum();
        Space::EMPTY_BYTES + pages as usize * PAGE_BYTES
    }
}

//! Maglev: a table of a prime size that addresses fill in turns, each in an order of its own (Eisenbud et
//! al., NSDI 2016, section 3.4). Shares are evener than on a ring, and a lookup is one step; when an
//! address goes, somewhat more than its own keys move.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Member, xxhash::xxh64};

/// Slots of a table.
const SLOTS: usize = 65_537;
/// Slots where there are many addresses: each should have a hundred.
const MANY_SLOTS: usize = 655_373;
/// Time between two turns of weight 1, in ticks.
const STRIDE: u64 = 1 << 40;

/// Places of addresses, by slot.
#[derive(Debug)]
pub(super) struct Maglev(Box<[u32]>);

/// The order in which one address takes slots, and how far it has come.
struct Order {
    place: u32,
    next: usize,
    skip: usize,
}

impl Maglev {
    /// Of these members and their places.
    pub(super) fn new(members: &[(u32, Member<'_>)]) -> Self {
        let slots = match members.len() * 100 > SLOTS {
            true => MANY_SLOTS,
            false => SLOTS,
        };
        let mut members = members.to_vec();
        // So that nothing follows from the order in which they are written down.
        members.sort_by_key(|(_, it)| it.identity);
        let order = |(place, member): &(u32, Member<'_>)| Order::new(*place, member, slots);
        let mut orders: Vec<Order> = members.iter().map(order).collect();
        // Each has a turn as often as its weight says, and one to begin with.
        let mut turns: BinaryHeap<_> = (0..members.len())
            .map(|index| Reverse((0, index)))
            .collect();
        let mut table = vec![u32::MAX; slots];
        for _ in 0..slots {
            let Some(mut first) = turns.peek_mut() else {
                break;
            };
            let Reverse((tick, index)) = *first;
            first.0.0 = tick + STRIDE / u64::from(members[index].1.weight.max(1));
            drop(first);
            orders[index].take(&mut table);
        }
        Self(table.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where a key falls.
    pub(super) fn start(&self, key: u64) -> usize {
        usize::try_from(key % self.0.len() as u64).unwrap_or(0)
    }

    /// The address at a slot, counted around.
    pub(super) fn at(&self, slot: usize) -> usize {
        self.0[slot % self.0.len()] as usize
    }
}

impl Order {
    fn new(place: u32, member: &Member<'_>, slots: usize) -> Self {
        let within = |seed, bound: usize| {
            usize::try_from(xxh64(member.identity, seed) % bound as u64).unwrap_or(0)
        };
        Self {
            place,
            next: within(0, slots),
            skip: within(1, slots - 1) + 1,
        }
    }

    /// Takes the first free slot in its order. There is one: the size is prime, so it comes by all.
    fn take(&mut self, table: &mut [u32]) {
        while table[self.next] != u32::MAX {
            self.next = (self.next + self.skip) % table.len();
        }
        table[self.next] = self.place;
    }
}

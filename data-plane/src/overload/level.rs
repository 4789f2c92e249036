//! How loaded a node is, in steps.

/// The steps; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing is done.
    Calm,
    /// Connections are closed after an answer.
    Strained,
    /// Sheddable requests are refused.
    Shedding,
    /// Normal ones, too.
    Urgent,
    /// All are, and connections.
    Full,
}

const ALL: [Level; 5] = [
    Level::Calm,
    Level::Strained,
    Level::Shedding,
    Level::Urgent,
    Level::Full,
];
/// From which share of memory or descriptors on a step is reached, in thousandths.
const FROM: [u32; 5] = [0, 800, 850, 950, 980];
/// How far below it the share must fall for the step to be left.
const SLACK: u32 = 20;

impl Level {
    /// Its name in logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Strained => "strained",
            Self::Shedding => "shedding",
            Self::Urgent => "urgent",
            Self::Full => "full",
        }
    }

    /// As it is stored.
    pub(super) const fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Calm,
            1 => Self::Strained,
            2 => Self::Shedding,
            3 => Self::Urgent,
            _ => Self::Full,
        }
    }

    /// The step after this one at a share of memory or descriptors.
    pub(super) fn next(self, permille: u32) -> Self {
        let reached = |slack: u32| {
            let reached = ALL
                .into_iter()
                .zip(FROM)
                .rfind(|(_, from)| permille + slack >= *from);
            reached.map_or(Self::Calm, |(level, _)| level)
        };
        reached(0).max(self.min(reached(SLACK)))
    }

    /// The step at a share of the requests in flight: the last 15 percent are for what is not sheddable, the last
    /// 5 for what is critical.
    pub(super) const fn of_in_flight(permille: u64) -> Self {
        match permille {
            0..=849 => Self::Calm,
            850..=949 => Self::Shedding,
            950..=999 => Self::Urgent,
            _ => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn a_step_is_left_only_well_below_where_it_was_reached() {
        let mut level = Level::Calm;
        let mut follow = |permille| {
            level = level.next(permille);
            level
        };
        assert_eq!(follow(849), Level::Strained);
        assert_eq!(follow(850), Level::Shedding);
        assert_eq!(follow(835), Level::Shedding);
        assert_eq!(follow(829), Level::Strained);
        assert_eq!(follow(990), Level::Full);
        assert_eq!(follow(940), Level::Urgent);
        assert_eq!(follow(0), Level::Calm);
    }
}

//! Sets of networks, as lists of addresses are written.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Networks that do not overlap, in order, for a binary search.
#[derive(Debug)]
pub(crate) struct Networks(Box<[IpNet]>);

impl Networks {
    pub(crate) fn of(networks: &[IpNet]) -> Self {
        let mut networks = IpNet::aggregate(&networks.to_vec());
        networks.sort_by_key(IpNet::network);
        Self(networks.into())
    }

    /// Whether one has the address, which is in its canonical form.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let after = self.0.partition_point(|it| it.network() <= address);
        let last = after.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|network| network.contains(&address))
    }
}

/// Reads a network or an address, IPv4 in IPv6 as IPv4.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    if let IpNet::V6(mapped) = network
        && let Some(address) = mapped.network().to_ipv4_mapped()
        && let Some(bits) = mapped.prefix_len().checked_sub(96)
    {
        return Ipv4Net::new(address, bits).ok().map(IpNet::V4);
    }
    Some(network)
}

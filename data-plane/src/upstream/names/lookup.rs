//! One lookup: of the system, or of name servers.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gatewright_engine::dns::DnsBy;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{RData, RecordType, rdata::SRV},
    },
};
use tokio::{join, net::lookup_host, time::timeout};

use super::{Place, memory::Answer, memory::Question};

/// How long a lookup may take, all attempts and all that it leads to included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one attempt at one server may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Most addresses of one name.
const MAX_ADDRESSES: usize = 256;
/// Most services of one name.
const MAX_SERVICES: usize = 64;
/// Divisible by each number up to 8: how the share of a service is parted among its addresses.
const PARTS: u32 = 840;

/// Who is asked.
#[derive(Debug)]
pub(super) enum Lookups {
    System,
    Servers(Box<TokioResolver>),
    /// There is nobody to ask, since the system's settings cannot be read.
    Nobody(String),
}

/// Addresses and how long they hold; or why there are none.
type Found<T> = Result<(Vec<T>, Duration), Answer>;

impl Lookups {
    /// Asks as the settings say.
    pub(super) fn of(by: &DnsBy) -> Self {
        let resolver = match by {
            DnsBy::System => return Self::System,
            DnsBy::Servers(servers) if servers.is_empty() => {
                Resolver::builder(TokioRuntimeProvider::default()).and_then(|mut builder| {
                    limit(builder.options_mut());
                    builder.build()
                })
            }
            DnsBy::Servers(servers) => {
                let servers = servers.iter().map(server).collect();
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                let provider = TokioRuntimeProvider::default();
                let mut builder = Resolver::builder_with_config(config, provider);
                limit(builder.options_mut());
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder.build()
            }
        };
        match resolver {
            Ok(resolver) => Self::Servers(Box::new(resolver)),
            Err(error) => Self::Nobody(error.to_string()),
        }
    }

    /// Asks.
    pub(super) async fn ask(&self, question: &Question) -> Answer {
        let asked = async {
            match self {
                Self::System => of_system(question).await,
                Self::Servers(resolver) if question.srv => services(resolver, question).await,
                Self::Servers(resolver) => plain(resolver, question).await,
                Self::Nobody(reason) => Answer::Failed(reason.clone()),
            }
        };
        let answer = timeout(LOOKUP_TIMEOUT, asked).await;
        answer.unwrap_or(Answer::Late)
    }
}

/// What is kept is kept by the upstream; the last word on time is ours.
fn limit(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.timeout = ATTEMPT_TIMEOUT;
    options.attempts = 2;
    options.preserve_intermediates = true;
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

/// The system does not tell times, nor whether a name does not exist or nobody could say.
async fn of_system(question: &Question) -> Answer {
    let found = match lookup_host((&*question.host, question.port)).await {
        Ok(found) => found.map(|it| it.ip()).take(MAX_ADDRESSES).collect(),
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let places = distinct(question, found);
    match places.is_empty() {
        true => Answer::Failed("it has no address".to_owned()),
        false => Answer::Found(places, Duration::ZERO),
    }
}

async fn plain(resolver: &TokioResolver, question: &Question) -> Answer {
    match addresses(resolver, &question.host).await {
        Ok((found, ttl)) => Answer::Found(distinct(question, found), ttl),
        Err(answer) => answer,
    }
}

fn distinct(question: &Question, mut found: Vec<IpAddr>) -> Vec<Place> {
    found.sort_unstable();
    found.dedup();
    let place = |ip| Place {
        rank: 0,
        ip,
        port: question.port,
        share: 1,
        host: None,
    };
    found.into_iter().map(place).collect()
}

/// The addresses of a name, of both families. What one of them has is enough.
async fn addresses(resolver: &TokioResolver, host: &str) -> Found<IpAddr> {
    let (four, six) = join!(
        records(resolver, host, RecordType::A, |data| match data {
            RData::A(ip) => Some(IpAddr::V4(ip.0)),
            _ => None,
        }),
        records(resolver, host, RecordType::AAAA, |data| match data {
            RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
            _ => None,
        }),
    );
    let (mut found, ttl) = match (four, six) {
        (Ok((mut four, one)), Ok((six, other))) => {
            four.extend(six);
            (four, one.min(other))
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => found,
        (Err(Answer::Nothing(one)), Err(Answer::Nothing(other))) => {
            return Err(Answer::Nothing(one.into_iter().chain(other).min()));
        }
        // Where one says that there is nothing and the other cannot be had, nobody knows.
        (Err(Answer::Nothing(_)), Err(failure)) | (Err(failure), _) => return Err(failure),
    };
    found.truncate(MAX_ADDRESSES);
    Ok((found, ttl))
}

/// RFC 2782: where a service is. Its priorities become ranks, its weights shares.
async fn services(resolver: &TokioResolver, question: &Question) -> Answer {
    let found = records(
        resolver,
        &question.host,
        RecordType::SRV,
        |data| match data {
            RData::SRV(service) => Some(service.clone()),
            _ => None,
        },
    );
    let (mut services, mut ttl) = match found.await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    // A target of `.` says that the service is not there.
    services.retain(|service| !service.target.is_root() && service.port != 0);
    services.truncate(MAX_SERVICES);
    if services.is_empty() {
        return Answer::Nothing(Some(ttl));
    }
    let priorities = services.iter().map(|it| (it.priority, 0));
    let mut ranks: BTreeMap<u16, u32> = priorities.collect();
    for (rank, place) in (0..).zip(ranks.values_mut()) {
        *place = rank;
    }
    let hosts: Vec<String> = services.iter().map(|it| it.target.to_ascii()).collect();
    let asked = hosts.iter().map(|host| addresses(resolver, host));
    let answers = futures_util::future::join_all(asked).await;
    let (mut places, mut failure) = (Vec::new(), None);
    for (service, answer) in services.iter().zip(answers) {
        match answer {
            Ok((ips, its)) => {
                ttl = ttl.min(its);
                places.extend(of_service(service, &ips, ranks[&service.priority]));
            }
            Err(Answer::Nothing(its)) => ttl = ttl.min(its.unwrap_or(ttl)),
            Err(answer) => failure = Some(answer),
        }
    }
    // With a part of the answer missing, the last whole one is better.
    match failure {
        Some(failure) => failure,
        None if places.is_empty() => Answer::Nothing(Some(ttl)),
        None => {
            places.truncate(MAX_ADDRESSES);
            Answer::Found(places, ttl)
        }
    }
}

fn of_service(service: &SRV, ips: &[IpAddr], rank: u32) -> Vec<Place> {
    let mut ips = ips.to_vec();
    ips.sort_unstable();
    ips.dedup();
    let count = u32::try_from(ips.len()).unwrap_or(u32::MAX).max(1);
    let host: Arc<str> = service.target.to_ascii().trim_end_matches('.').into();
    let place = |ip| Place {
        rank,
        ip,
        port: service.port,
        share: u32::from(service.weight) * PARTS / count,
        host: Some(Arc::clone(&host)),
    };
    ips.into_iter().map(place).collect()
}

/// Records of one type, and how long the shortest of the answer holds, aliases on the way included.
async fn records<T>(
    resolver: &TokioResolver,
    host: &str,
    kind: RecordType,
    read: impl Fn(&RData) -> Option<T>,
) -> Found<T> {
    let found = match resolver.lookup(host, kind).await {
        Ok(found) => found,
        Err(error) => return Err(failure(&error)),
    };
    let ttl = found.answers().iter().map(|it| it.ttl).min().unwrap_or(0);
    let ttl = Duration::from_secs(ttl.into());
    let records: Vec<T> = found
        .answers()
        .iter()
        .filter_map(|it| read(&it.data))
        .collect();
    match records.is_empty() {
        true => Err(Answer::Nothing(Some(ttl))),
        false => Ok((records, ttl)),
    }
}

/// RFC 2308: that a name does not exist, or has no such record, is an answer. All else is none.
fn failure(error: &NetError) -> Answer {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            let ttl = none.negative_ttl;
            Answer::Nothing(ttl.map(|ttl| Duration::from_secs(ttl.into())))
        }
        NetError::Timeout => Answer::Late,
        error => Answer::Failed(error.to_string()),
    }
}

//! A name server on a socket, that says what a test has told it to.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record as Row, RecordType,
        rdata::{A, SRV},
    },
};

/// What a name has.
#[derive(Clone, Copy)]
pub(crate) enum Record<'a> {
    /// Addresses, for so many seconds.
    A(u32, &'a [Ipv4Addr]),
    /// Services, for so many seconds: priority, weight, port, host.
    Srv(u32, &'a [(u16, u16, u16, &'a str)]),
    /// It does not exist.
    NoSuchName,
    /// The server cannot say.
    ServerFailure,
}

type Zone = HashMap<String, (ResponseCode, Vec<Row>)>;

/// A name server.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
}

impl Dns {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Self {
            address: socket.local_addr().unwrap(),
            zone: Arc::default(),
            asked: Arc::default(),
        };
        let (zone, asked) = (Arc::clone(&dns.zone), Arc::clone(&dns.asked));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                asked.fetch_add(1, Ordering::Relaxed);
                let answer = answer(&buffer[..length], &zone.lock().unwrap());
                socket.send_to(&answer, peer).unwrap();
            }
        });
        dns
    }

    /// A name has this from now on.
    pub(crate) fn set(&self, name: &str, record: Record<'_>) {
        let owner = Name::from_ascii(format!("{name}.")).unwrap();
        let fine = ResponseCode::NoError;
        let entry = match record {
            Record::A(ttl, addresses) => {
                let row = |ip: &Ipv4Addr| Row::from_rdata(owner.clone(), ttl, RData::A(A(*ip)));
                (fine, addresses.iter().map(row).collect())
            }
            Record::Srv(ttl, services) => {
                let row = |(priority, weight, port, host): &(u16, u16, u16, &str)| {
                    let host =
                        Name::from_ascii(format!("{}.", host.trim_end_matches('.'))).unwrap();
                    let data = RData::SRV(SRV::new(*priority, *weight, *port, host));
                    Row::from_rdata(owner.clone(), ttl, data)
                };
                (fine, services.iter().map(row).collect())
            }
            Record::NoSuchName => (ResponseCode::NXDomain, Vec::new()),
            Record::ServerFailure => (ResponseCode::ServFail, Vec::new()),
        };
        self.zone.lock().unwrap().insert(name.to_owned(), entry);
    }

    /// How many questions have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(question: &[u8], zone: &Zone) -> Vec<u8> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let name = query.name().to_ascii();
    let entry = zone.get(name.trim_end_matches('.'));
    let (code, rows) = match entry {
        Some((code, rows)) => (*code, rows.clone()),
        None => (ResponseCode::NXDomain, Vec::new()),
    };
    let of_type = |row: &Row| row.record_type() == query.query_type();
    let mut answer = Message::error_msg(question.metadata.id, question.metadata.op_code, code);
    answer.metadata.recursion_available = true;
    if [RecordType::A, RecordType::AAAA, RecordType::SRV].contains(&query.query_type()) {
        answer.add_answers(rows.into_iter().filter(of_type));
    }
    answer.add_query(query);
    answer.to_vec().unwrap()
}

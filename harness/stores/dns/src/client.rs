//! Questions to a name server, and updates of its records.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use hickory_net::client::{Client, ClientHandle as _};
use hickory_net::proto::op::{DnsResponse, ResponseCode};
use hickory_net::proto::rr::rdata::A;
use hickory_net::proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_net::proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::{DnsMultiplexer, NetError};
use tokio::task::JoinSet;

use crate::zone::{AddressRecord, KEY_NAME, ServiceName, UpdateKey};

/// How long a name server may take to answer. It answers from memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a resolver may take to forget a record of a drill and to learn it anew.
const LEARNING_LIMIT: Duration = Duration::from_mins(1);
/// How many seconds the clocks of client and server may differ. Source: RFC 8945, section 10, recommends 300.
const FUDGE_S: u16 = 300;

/// What a name server answered about the address of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The records; several if the name has several addresses.
    pub records: Vec<AddressRecord>,
    /// Whether the server is an authority for the name, or passes on what it remembers.
    pub is_authoritative: bool,
    /// The response code in the words of the standard, such as `Non-Existent Domain`.
    pub code: String,
}

impl Answer {
    /// The record, if there is exactly one.
    pub fn record(&self) -> Option<AddressRecord> {
        match self.records[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether the only address is this one.
    pub fn is_at(&self, address: Ipv4Addr) -> bool {
        self.record().is_some_and(|record| record.address == address)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.records.is_empty() {
            return write!(f, "no address ({})", self.code);
        }
        let records: Vec<_> = self.records.iter().map(ToString::to_string).collect();
        f.write_str(&records.join(", "))
    }
}

/// How an update by compare-and-swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The record is the new one.
    Done,
    /// The record was not the expected one, and nothing was changed.
    Stale,
}

/// Asks a name server for the address of a name.
pub async fn ask(server: SocketAddrV4, name: &ServiceName) -> Result<Answer> {
    let answer = query(server, &name.host, RecordType::A).await?;
    let record = |record: &Record| match &record.data {
        RData::A(A(address)) => Some(AddressRecord { address: *address, ttl_s: record.ttl }),
        _ => None,
    };
    Ok(Answer {
        records: answer.answers.iter().filter_map(record).collect(),
        is_authoritative: answer.metadata.authoritative,
        code: answer.metadata.response_code.to_string(),
    })
}

/// Where a client finds a service: the first address of the name, as a resolver has it, with the port of the service.
pub async fn look_up(resolver: SocketAddrV4, name: &ServiceName, port: u16) -> Result<SocketAddrV4> {
    let answer = ask(resolver, name).await?;
    let record = answer.records.first();
    let record = record.ok_or_else(|| Error::could_not_verify(format!("{name} has {answer}")))?;
    Ok(SocketAddrV4::new(record.address, port))
}

/// The serial of a zone on a name server: it grows with each change.
pub async fn serial(server: SocketAddrV4, name: &ServiceName) -> Result<u32> {
    let answer = query(server, &name.zone, RecordType::SOA).await?;
    let serial = answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    serial.ok_or_else(|| {
        let code = answer.metadata.response_code;
        Error::could_not_verify(format!("{server} does not serve the zone {}: {code}", name.zone))
    })
}

/// Waits until a resolver has just learnt a record: it will remember it for all of its TTL.
pub async fn learnt(resolver: SocketAddrV4, name: &ServiceName, record: AddressRecord) -> Result<()> {
    wait::until(&format!("the resolver to learn {record} anew"), LEARNING_LIMIT, async || {
        match ask(resolver, name).await {
            Ok(answer)
                if answer.is_at(record.address)
                    && answer.records.iter().all(|one| one.ttl_s >= record.ttl_s) =>
            {
                Ok(())
            }
            Ok(answer) => Err(answer.to_string()),
            Err(error) => Err(error.message().to_owned()),
        }
    })
    .await
}

async fn query(server: SocketAddrV4, name: &str, kind: RecordType) -> Result<DnsResponse> {
    let doing = format!("asking {server} for {name} {kind}");
    let stream = UdpClientStream::builder(SocketAddr::V4(server), TokioRuntimeProvider::default())
        .with_timeout(Some(ANSWER_LIMIT))
        // The system knows which ports are free.
        .with_os_port_selection(true)
        .build();
    let (mut client, work) = Client::<TokioRuntimeProvider>::from_sender(stream);
    let name = parse(name)?;
    // Dropped with this future, on every path.
    let mut background = JoinSet::new();
    background.spawn(work);
    client.query(name, DNSClass::IN, kind).await.context(doing)
}

/// Replaces the record of a name, if it still is `current`: two operators cannot both move it. The TTL does not count
/// in the comparison. Source: RFC 2136, section 2.4.2.
///
/// By TCP, because a datagram that was sent twice could be answered by what its first copy did.
pub async fn swap(
    server: SocketAddrV4,
    key: &UpdateKey,
    name: &ServiceName,
    current: AddressRecord,
    new: AddressRecord,
) -> Result<Swap> {
    let doing = format!("updating {name} at {server}");
    let (zone, host) = (parse(&name.zone)?, parse(&name.host)?);
    let signer = TSigner::new(key.bytes().to_vec(), TsigAlgorithm::HmacSha256, parse(KEY_NAME)?, FUDGE_S)
        .context(&doing)?;
    let (stream, handle) = TcpClientStream::new(
        SocketAddr::V4(server),
        None,
        Some(ANSWER_LIMIT),
        TokioRuntimeProvider::default(),
    );
    let stream = stream.await.context(&doing)?;
    let sender = DnsMultiplexer::new(stream, handle).with_timeout(ANSWER_LIMIT).with_signer(signer);
    let (mut client, work) = Client::<TokioRuntimeProvider>::from_sender(sender);
    let mut background = JoinSet::new();
    background.spawn(work);
    let record =
        |record: AddressRecord| Record::from_rdata(host.clone(), record.ttl_s, RData::A(A(record.address)));
    let update = client.compare_and_swap(record(current), record(new), zone);
    let answer: Result<DnsResponse, NetError> = wait::at_most(&doing, ANSWER_LIMIT, update).await?;
    match answer.context(&doing)?.metadata.response_code {
        ResponseCode::NoError => Ok(Swap::Done),
        ResponseCode::NXRRSet => Ok(Swap::Stale),
        code => Err(Error::could_not_verify(format!("{doing}: it refuses: {code}"))
            .hint("look whether the server's update policy allows the key to change this record")),
    }
}

fn parse(name: &str) -> Result<Name> {
    Name::from_ascii(name).context(format_args!("reading the name {name}"))
}

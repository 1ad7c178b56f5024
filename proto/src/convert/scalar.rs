//! Addresses, ports, times and required fields.

use super::error::{ConvertError, Problem};
use jiff::Timestamp;
use std::{net::IpAddr, time::Duration};

const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// Reads the time in `field`.
pub fn timestamp(value: prost_types::Timestamp, field: &str) -> Result<Timestamp, ConvertError> {
    let prost_types::Timestamp { seconds, nanos } = value;
    let wrong = || Problem::Time { seconds, nanos }.at(field);
    if !(0..NANOS_PER_SECOND).contains(&nanos) {
        return Err(wrong());
    }
    Timestamp::new(seconds, nanos).map_err(|_| wrong())
}

/// Writes a time; the fraction always counts forward, also before 1970.
pub fn timestamp_to_proto(time: Timestamp) -> prost_types::Timestamp {
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        prost_types::Timestamp { seconds: seconds - 1, nanos: nanos + NANOS_PER_SECOND }
    } else {
        prost_types::Timestamp { seconds, nanos }
    }
}

/// Writes a span of time; what does not fit is the longest that does.
pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: span.subsec_nanos() as i32,
    }
}

pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, ConvertError> {
    value.ok_or_else(|| Problem::Missing.at(field))
}

pub(crate) fn text(value: String, field: &str) -> Result<String, ConvertError> {
    if value.is_empty() { Err(Problem::Empty.at(field)) } else { Ok(value) }
}

pub(crate) fn time(value: Option<prost_types::Timestamp>, field: &str) -> Result<Timestamp, ConvertError> {
    timestamp(required(value, field)?, field)
}

pub(crate) fn address(bytes: &[u8], field: &str) -> Result<IpAddr, ConvertError> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        Ok(four.into())
    } else if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        Ok(sixteen.into())
    } else {
        Err(Problem::AddressLength(bytes.len()).at(field))
    }
}

pub(crate) fn address_to_proto(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(sixteen) => sixteen.octets().to_vec(),
    }
}

pub(crate) fn port(value: u32, field: &str) -> Result<u16, ConvertError> {
    u16::try_from(value).map_err(|_| Problem::Port(value).at(field))
}

pub(crate) fn optional_port(value: Option<u32>, field: &str) -> Result<Option<u16>, ConvertError> {
    value.map(|value| port(value, field)).transpose()
}

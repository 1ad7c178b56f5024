//! Expressions of nf_tables rules, as many as the table of this agent needs.

use super::wire::Attributes;

/// Where a packet is read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Header {
    /// The IP header.
    Network = 1,
    /// The header behind it.
    Transport = 2,
}

/// A property of the packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meta {
    /// Whether it is traced.
    Trace = 12,
    /// IPv4 or IPv6.
    Family = 15,
    /// TCP, UDP and so on.
    Protocol = 16,
}

/// Where a rule sends the packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// To a chain, and back.
    Jump(&'a str),
    /// To a chain, for good.
    Goto(&'a str),
    /// Back.
    Return,
}

/// The register that single values go through.
pub(super) const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;

fn expression(name: &str, data: &Attributes) -> Attributes {
    Attributes::new().text(1, name).nested(2, data)
}

/// The expressions of a rule.
pub(super) fn list(expressions: impl IntoIterator<Item = Attributes>) -> Attributes {
    expressions.into_iter().fold(Attributes::new(), |list, expression| list.nested(1, &expression))
}

/// Reads bytes of the packet into a register.
pub(super) fn payload(header: Header, offset: u32, length: u32, register: u32) -> Attributes {
    let data = Attributes::new().u32(1, register).u32(2, header as u32).u32(3, offset).u32(4, length);
    expression("payload", &data)
}

/// Reads a property into the register.
pub(super) fn meta(key: Meta) -> Attributes {
    expression("meta", &Attributes::new().u32(1, REGISTER).u32(2, key as u32))
}

/// Sets a property to the register.
pub(super) fn set_meta(key: Meta) -> Attributes {
    expression("meta", &Attributes::new().u32(2, key as u32).u32(3, REGISTER))
}

/// Keeps some bits of a byte in the register.
pub(super) fn mask(bits: u8) -> Attributes {
    let value = |byte: u8| Attributes::new().bytes(1, &[byte]);
    let data = Attributes::new().u32(1, REGISTER).u32(2, REGISTER).u32(3, 1);
    expression("bitwise", &data.nested(4, &value(bits)).nested(5, &value(0)))
}

/// Goes on only if the byte in the register is this one.
pub(super) fn is(byte: u8) -> Attributes {
    const EQUAL: u32 = 0;
    let value = Attributes::new().bytes(1, &[byte]);
    expression("cmp", &Attributes::new().u32(1, REGISTER).u32(2, EQUAL).nested(3, &value))
}

/// Puts a byte into the register.
pub(super) fn byte(byte: u8) -> Attributes {
    let value = Attributes::new().bytes(1, &[byte]);
    expression("immediate", &Attributes::new().u32(1, REGISTER).nested(2, &value))
}

/// Goes on only if the set has the registers' value.
pub(super) fn in_set(set: &str) -> Attributes {
    expression("lookup", &Attributes::new().text(1, set).u32(2, REGISTER))
}

/// Puts the registers' value into the set; a full set ends the rule.
pub(super) fn add_to_set(set: &str) -> Attributes {
    dynset(set, 0)
}

/// Lets the set keep the registers' value for longer.
pub(super) fn keep_in_set(set: &str) -> Attributes {
    dynset(set, 1)
}

fn dynset(set: &str, operation: u32) -> Attributes {
    expression("dynset", &Attributes::new().text(1, set).u32(3, operation).u32(4, REGISTER))
}

/// Goes on only so many times a second, and as often at once.
pub(super) fn limit(rate: u32) -> Attributes {
    const SECOND: u64 = 1;
    const PACKETS: u32 = 0;
    let data = Attributes::new().u64(1, rate.into()).u64(2, SECOND).u32(3, rate).u32(4, PACKETS);
    expression("limit", &data)
}

/// Sends the packet somewhere.
pub(super) fn send(to: To<'_>) -> Attributes {
    let verdict = |code: i32| Attributes::new().u32(1, code as u32);
    let verdict = match to {
        To::Jump(chain) => verdict(-3).text(2, chain),
        To::Goto(chain) => verdict(-4).text(2, chain),
        To::Return => verdict(-5),
    };
    let data = Attributes::new().nested(2, &verdict);
    expression("immediate", &Attributes::new().u32(1, VERDICT_REGISTER).nested(2, &data))
}

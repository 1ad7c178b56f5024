//! What is nearly an end of a question, and how it should have been written.

use super::names;
use crate::address::parse_ip;

/// `svc:shop/db` for `SVC:shop/db`, `service:shop/db` and `db.shop.svc.cluster.local`.
pub(super) fn service(text: &str) -> Option<String> {
    let named = text.split_once(':').filter(|(kind, _)| is_service(kind)).map(|(_, name)| name);
    let of_words = named.and_then(names);
    let (namespace, name) = of_words.or_else(|| domain_name(named.unwrap_or(text)))?;
    Some(format!("write svc:{namespace}/{name}"))
}

fn is_service(kind: &str) -> bool {
    ["svc", "service", "services"].iter().any(|word| kind.eq_ignore_ascii_case(word))
}

/// Namespace and name in the name that the cluster's DNS gives a service.
fn domain_name(text: &str) -> Option<(String, String)> {
    let mut labels = text.split('.');
    let (name, namespace) = (labels.next()?, labels.next()?);
    let is_service =
        labels.next()? == "svc" && !text.contains('/') && !name.is_empty() && !namespace.is_empty();
    is_service.then(|| (namespace.to_owned(), name.to_owned()))
}

/// What to leave out where an address stands among other things.
pub(super) fn address(text: &str) -> Option<String> {
    let is_ip = |text: &str| parse_ip(text).is_some();
    if let Some((ip, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let what = if rest.is_empty() { "the brackets" } else { "the brackets and the port" };
        return is_ip(ip).then(|| format!("leave {what} out: {ip}"));
    }
    if let Some((ip, _)) = text.split_once('/').filter(|(ip, _)| is_ip(ip)) {
        return Some(format!("that is a block: write one address of it, such as {ip}"));
    }
    let (ip, _) = text.split_once(':').filter(|(ip, _)| is_ip(ip))?;
    Some(format!("leave the port out: {ip}"))
}

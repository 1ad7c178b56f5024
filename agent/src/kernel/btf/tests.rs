//! The running kernel's types as an independent reader has them; and bytes that are no types.

use super::{
    KernelTypes,
    blob::{Blob, Kind, Malformed},
    loaders_types, numbered,
};
use btf_rs::{Btf, BtfType, Type};
use proptest::{collection::vec, prelude::*};
use std::path::Path;

/// Name and place of a part of a type.
type Part = (Vec<u8>, u32);

/// Size and parts, as the independent reader has them.
fn expected(btf: &Btf, found: &Type) -> Option<(Kind, Option<usize>, Vec<Part>)> {
    let name = |part: &dyn BtfType| btf.resolve_name(part).unwrap().into_bytes();
    match found {
        Type::Struct(found) | Type::Union(found) => {
            let parts = found.members.iter().map(|part| (name(part), part.bit_offset()));
            Some((Kind::Composite, Some(found.size()), parts.collect()))
        }
        Type::Enum(found) => {
            let parts = found.members.iter().map(|part| (name(part), part.val()));
            Some((Kind::Enumeration, None, parts.collect()))
        }
        _ => None,
    }
}

fn parts(blob: &Blob, number: u32) -> Vec<Part> {
    let found = blob.get(number).unwrap();
    let name = |place| blob.string(place).unwrap().to_vec();
    let members = found.members().map(|part| (name(part.name), part.bits));
    members.chain(found.enumerators().map(|(place, value)| (name(place), value))).collect()
}

#[test]
fn every_structure_and_enumeration_of_this_kernel_is_as_an_independent_reader_has_it() {
    // Without the file no agent works here, and no other test could.
    let Ok(bytes) = std::fs::read(KernelTypes::PATH) else { return };
    let btf = Btf::from_bytes(&bytes).unwrap();
    let blob = Blob::read(bytes, None).unwrap();
    let mut compared = 0;
    for number in 1..blob.len() {
        let other = btf.resolve_type_by_id(number).unwrap();
        let Some((kind, size, expected)) = expected(&btf, &other) else { continue };
        let found = blob.get(number).unwrap();
        assert_eq!(found.kind, kind);
        assert!(size.is_none_or(|size| size == found.size_or_target as usize));
        assert_eq!(parts(&blob, number), expected, "type {number}");
        compared += 1;
    }
    assert!(compared > 1000, "only {compared} were compared");
}

#[test]
fn members_are_found_by_their_path_through_names_and_anonymous_structures() {
    let Ok(types) = KernelTypes::read(Path::new(KernelTypes::PATH)) else { return };
    assert_eq!(types.offset("sock", "__sk_common"), Some(0));
    let address = types.offset("sock", "__sk_common.skc_daddr").unwrap();
    assert_eq!(types.offset("sock_common", "skc_daddr"), Some(address));
    assert!(types.offset("sock", "sk_error_queue.qlen") > types.offset("sock", "sk_error_queue"));
    assert_eq!(types.offset("sock", "no_such_member"), None);
    assert_eq!(types.offset("no_such_structure", "dev"), None);
    assert!(types.has_helper("BPF_FUNC_ktime_get_ns") && !types.has_helper("BPF_FUNC_no_such_helper"));
    assert!(types.tracepoint_arguments("kfree_skb") >= Some(2));
    assert_eq!(types.tracepoint_arguments("no_such_tracepoint"), None);
}

#[test]
fn the_loader_finds_tracepoints_under_the_kernels_numbers() {
    let tracepoints = [("kfree_skb", 70), ("inet_sock_set_state", 12)];
    let blob = Blob::read(numbered(&tracepoints), None).unwrap();
    for (name, number) in tracepoints {
        assert_eq!(blob.named(&format!("btf_trace_{name}")).collect::<Vec<_>>(), [number]);
    }
    assert!(loaders_types(&tracepoints).is_ok() && loaders_types(&[]).is_ok());
}

#[test]
fn what_is_no_btf_or_is_cut_off_is_refused() {
    let whole = numbered(&[("kfree_skb", 3)]);
    let refused = |bytes: &[u8]| Blob::read(bytes.to_vec(), None).unwrap_err();
    assert_eq!(refused(b"no types at all, and long enough"), Malformed::Header);
    assert!((0..whole.len()).all(|length| refused(&whole[..length]) == Malformed::Header));
    let mut unknown = whole;
    unknown[24 + 7] = 31;
    assert_eq!(refused(&unknown), Malformed::Type(1));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(
        last in 1..40_u32,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        other in vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = numbered(&[("kfree_skb", last)]);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for bytes in [bytes, other] {
            let Ok(blob) = Blob::read(bytes, None) else { continue };
            for number in 0..=blob.len() {
                if let Some(found) = blob.get(number) {
                    let names = found.members().map(|part| part.name);
                    let names = names.chain(found.enumerators().map(|(name, _)| name));
                    let ends_at_zero = |name| blob.string(name).is_none_or(|text| !text.contains(&0));
                    prop_assert!(names.chain([number]).all(ends_at_zero));
                    prop_assert!(found.parameters() < 1 << 16);
                }
            }
            prop_assert!(blob.named("btf_trace_kfree_skb").all(|number| blob.get(number).is_some()));
        }
    }
}

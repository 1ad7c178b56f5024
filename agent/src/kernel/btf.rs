//! The kernel's own description of its types: BTF.

use btf_rs::{Btf, BtfType, Struct, Type};
use std::path::Path;

/// The types of the running kernel: its own, and those of modules that the probes look into.
pub struct KernelTypes {
    kernel: Btf,
    modules: Vec<Btf>,
}

/// Modules with types of interest, where they are no part of the kernel.
const MODULES: [&str; 3] = ["nf_conntrack", "openvswitch", "mac80211"];

/// The kernel's types cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the kernel's types from {path}: {reason}. The kernel must be built with CONFIG_DEBUG_INFO_BTF=y"
)]
pub struct TypesError {
    path: String,
    reason: String,
}

/// Anonymous structures inside structures are followed this deep.
const DEPTH: usize = 8;

impl KernelTypes {
    /// Where the kernel shows its types.
    pub const PATH: &str = "/sys/kernel/btf/vmlinux";

    /// Reads the types of the running kernel.
    pub fn read(path: &Path) -> Result<Self, TypesError> {
        let failed = |reason: String| TypesError { path: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let kernel = Btf::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?;
        // A module that is not loaded, or is built in, has no file; what it has is in the kernel's.
        let modules = MODULES.iter().filter_map(|module| {
            let bytes = std::fs::read(path.with_file_name(module)).ok()?;
            Btf::from_split_bytes(&bytes, &kernel).ok()
        });
        let modules = modules.collect();
        Ok(Self { kernel, modules })
    }

    /// The byte offset of a member, by a path such as `__sk_common.skc_net.net`; members of
    /// anonymous structures are found by their own name.
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let (btf, mut current) = self.structure(structure)?;
        let mut offset = 0;
        for name in path.split('.') {
            let (bits, next) = member(btf, &current, name, DEPTH)?;
            offset += bits / 8;
            if let Some(next) = next {
                current = next;
            }
        }
        Some(offset)
    }

    /// The size of a structure.
    pub fn size(&self, structure: &str) -> Option<u32> {
        self.structure(structure).map(|(_, found)| found.size() as u32)
    }

    /// How many arguments a tracepoint hands to a program.
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let types = self.kernel.resolve_types_by_name(&format!("btf_trace_{name}")).ok()?;
        types.into_iter().find_map(|found| {
            let Type::Typedef(alias) = found else { return None };
            let Type::Ptr(pointer) = self.kernel.resolve_chained_type(&alias).ok()? else { return None };
            let Type::FuncProto(call) = self.kernel.resolve_chained_type(&pointer).ok()? else { return None };
            // The first is the registration's own.
            call.parameters.len().checked_sub(1)
        })
    }

    /// The enumerators of an enumeration.
    pub fn enumerators(&self, name: &str) -> Vec<(u32, String)> {
        let all = std::iter::once(&self.kernel).chain(&self.modules);
        let mut found = all.filter_map(|btf| {
            let types = btf.resolve_types_by_name(name).ok()?;
            let found = types.into_iter().find_map(|found| match found {
                Type::Enum(found) => Some(found),
                _ => None,
            })?;
            let named = found.members.iter().map(|member| (member.val(), btf.resolve_name(member)));
            Some(named.filter_map(|(value, name)| Some((value, name.ok()?))).collect())
        });
        found.next().unwrap_or_default()
    }

    /// Whether the kernel has a helper for programs, by its name in `enum bpf_func_id`.
    pub fn has_helper(&self, name: &str) -> bool {
        self.enumerators("bpf_func_id").iter().any(|(_, known)| known == name)
    }

    /// A structure, with the types among which its members are found.
    fn structure(&self, name: &str) -> Option<(&Btf, Struct)> {
        std::iter::once(&self.kernel).chain(&self.modules).find_map(|btf| {
            let types = btf.resolve_types_by_name(name).ok()?;
            let found = types.into_iter().find_map(|found| match found {
                Type::Struct(found) | Type::Union(found) => Some(found),
                _ => None,
            })?;
            Some((btf, found))
        })
    }
}

/// The bit offset of a member, and its own members where it is a structure.
fn member(btf: &Btf, within: &Struct, name: &str, depth: usize) -> Option<(u32, Option<Struct>)> {
    for candidate in &within.members {
        let inner = inner(btf, candidate);
        let candidate_name = btf.resolve_name(candidate).unwrap_or_default();
        if candidate_name == name {
            return Some((candidate.bit_offset(), inner));
        }
        if candidate_name.is_empty()
            && depth > 0
            && let Some(inner) = &inner
            && let Some((bits, found)) = member(btf, inner, name, depth - 1)
        {
            return Some((candidate.bit_offset() + bits, found));
        }
    }
    None
}

/// The structure that a member is, behind typedefs and qualifiers.
fn inner(btf: &Btf, member: &dyn BtfType) -> Option<Struct> {
    let mut current = btf.resolve_chained_type(member).ok()?;
    for _ in 0..DEPTH {
        current = match current {
            Type::Struct(found) | Type::Union(found) => return Some(found),
            Type::Typedef(found) => btf.resolve_chained_type(&found).ok()?,
            Type::Const(found) | Type::Volatile(found) => btf.resolve_chained_type(&found).ok()?,
            _ => return None,
        };
    }
    None
}

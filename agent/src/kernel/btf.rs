//! The kernel's own description of its types: BTF.

use btf_rs::{Btf, BtfType, Struct, Type};
use std::path::Path;

/// The types of the running kernel.
pub struct KernelTypes {
    btf: Btf,
}

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
        let btf = Btf::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?;
        Ok(Self { btf })
    }

    /// The byte offset of a member, by a path such as `__sk_common.skc_net.net`; members of
    /// anonymous structures are found by their own name.
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut current = self.structure(structure)?;
        let mut offset = 0;
        for name in path.split('.') {
            let (bits, next) = self.member(&current, name, DEPTH)?;
            offset += bits / 8;
            if let Some(next) = next {
                current = next;
            }
        }
        Some(offset)
    }

    /// The size of a structure.
    pub fn size(&self, structure: &str) -> Option<u32> {
        self.structure(structure).map(|found| found.size() as u32)
    }

    /// The enumerators of an enumeration.
    pub fn enumerators(&self, name: &str) -> Vec<(u32, String)> {
        let types = self.btf.resolve_types_by_name(name).unwrap_or_default();
        let Some(found) = types.into_iter().find_map(|found| match found {
            Type::Enum(found) => Some(found),
            _ => None,
        }) else {
            return Vec::new();
        };
        let named = found.members.iter().map(|member| (member.val(), self.btf.resolve_name(member)));
        named.filter_map(|(value, name)| Some((value, name.ok()?))).collect()
    }

    fn structure(&self, name: &str) -> Option<Struct> {
        let types = self.btf.resolve_types_by_name(name).ok()?;
        types.into_iter().find_map(|found| match found {
            Type::Struct(found) | Type::Union(found) => Some(found),
            _ => None,
        })
    }

    /// The bit offset of a member, and its own members where it is a structure.
    fn member(&self, within: &Struct, name: &str, depth: usize) -> Option<(u32, Option<Struct>)> {
        for member in &within.members {
            let inner = self.inner(member);
            let member_name = self.btf.resolve_name(member).unwrap_or_default();
            if member_name == name {
                return Some((member.bit_offset(), inner));
            }
            if member_name.is_empty()
                && depth > 0
                && let Some(inner) = &inner
                && let Some((bits, found)) = self.member(inner, name, depth - 1)
            {
                return Some((member.bit_offset() + bits, found));
            }
        }
        None
    }

    /// The structure that a member is, behind typedefs and qualifiers.
    fn inner(&self, member: &dyn BtfType) -> Option<Struct> {
        let mut current = self.btf.resolve_chained_type(member).ok()?;
        for _ in 0..DEPTH {
            current = match current {
                Type::Struct(found) | Type::Union(found) => return Some(found),
                Type::Typedef(found) => self.btf.resolve_chained_type(&found).ok()?,
                Type::Const(found) | Type::Volatile(found) => self.btf.resolve_chained_type(&found).ok()?,
                _ => return None,
            };
        }
        None
    }
}

//! The kernel's own description of its types: BTF.

mod blob;
#[cfg(test)]
mod tests;

use aya::{Btf, BtfError, Endianness};
use blob::{Blob, Kind, Type};
use std::path::Path;

/// The types of the running kernel: its own, and those of modules that the probes look into.
pub struct KernelTypes {
    kernel: Blob,
    modules: Vec<Blob>,
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

/// Anonymous structures inside structures, and names for other names, are followed this deep.
const DEPTH: usize = 8;

impl KernelTypes {
    /// Where the kernel shows its types.
    pub const PATH: &str = "/sys/kernel/btf/vmlinux";

    /// Reads the types of the running kernel.
    pub fn read(path: &Path) -> Result<Self, TypesError> {
        let failed = |reason: String| TypesError { path: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let kernel = Blob::read(bytes, None).map_err(|error| failed(error.to_string()))?;
        // A module that is not loaded, or is built in, has no file; what it has is in the kernel's.
        let modules = MODULES.iter().filter_map(|module| {
            let bytes = std::fs::read(path.with_file_name(module)).ok()?;
            Blob::read(bytes, Some(&kernel)).ok()
        });
        let modules = modules.collect();
        Ok(Self { kernel, modules })
    }

    /// The byte offset of a member, by a path such as `__sk_common.skc_net.net`; members of
    /// anonymous structures are found by their own name.
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let (space, mut current) = self.structure(structure)?;
        let mut offset = 0;
        for name in path.split('.') {
            let (bits, next) = space.member(&current, name.as_bytes(), DEPTH)?;
            offset += bits / 8;
            if let Some(next) = next {
                current = next;
            }
        }
        Some(offset)
    }

    /// The size of a structure.
    pub fn size(&self, structure: &str) -> Option<u32> {
        self.structure(structure).map(|(_, found)| found.size_or_target)
    }

    /// The number of the type that stands for a tracepoint.
    pub fn tracepoint(&self, name: &str) -> Option<u32> {
        let is_alias = |number: &u32| self.kernel.get(*number).is_some_and(|found| found.kind == Kind::Alias);
        self.kernel.named(&format!("btf_trace_{name}")).find(is_alias)
    }

    /// How many arguments a tracepoint hands to a program.
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let refers = |number: u32, kind| self.kernel.get(number).filter(|found| found.kind == kind);
        let alias = refers(self.tracepoint(name)?, Kind::Alias)?;
        let pointer = refers(alias.size_or_target, Kind::Pointer)?;
        let call = refers(pointer.size_or_target, Kind::Prototype)?;
        // The first is the registration's own.
        call.parameters().checked_sub(1)
    }

    /// The enumerators of an enumeration.
    pub fn enumerators(&self, name: &str) -> Vec<(u32, String)> {
        let Some((space, found)) = self.find(name, Kind::Enumeration) else { return Vec::new() };
        let named = |(name, value)| Some((value, String::from_utf8(space.string(name)?.to_vec()).ok()?));
        found.enumerators().filter_map(named).collect()
    }

    /// Whether the kernel has a helper for programs, by its name in `enum bpf_func_id`.
    pub fn has_helper(&self, name: &str) -> bool {
        self.enumerators("bpf_func_id").iter().any(|(_, known)| known == name)
    }

    /// A structure, with the types among which its members are found.
    fn structure(&self, name: &str) -> Option<(Space<'_>, Type<'_>)> {
        self.find(name, Kind::Composite)
    }

    fn find(&self, name: &str, kind: Kind) -> Option<(Space<'_>, Type<'_>)> {
        let kernel = &self.kernel;
        std::iter::once(kernel).chain(&self.modules).find_map(|blob| {
            let mut found = blob.named(name).filter_map(|number| blob.get(number));
            Some((Space { blob, kernel }, found.find(|found| found.kind == kind)?))
        })
    }
}

/// Types that may refer to each other: a module's, or the kernel's, and the kernel's.
#[derive(Clone, Copy)]
struct Space<'a> {
    blob: &'a Blob,
    kernel: &'a Blob,
}

impl<'a> Space<'a> {
    fn get(self, number: u32) -> Option<Type<'a>> {
        self.blob.get(number).or_else(|| self.kernel.get(number))
    }

    fn string(self, place: u32) -> Option<&'a [u8]> {
        self.blob.string(place).or_else(|| self.kernel.string(place))
    }

    /// The bit offset of a member, and its own members where it is a structure.
    fn member(self, within: &Type<'a>, name: &[u8], depth: usize) -> Option<(u32, Option<Type<'a>>)> {
        for candidate in within.members() {
            let inner = self.inner(candidate.kind);
            let known = self.string(candidate.name).unwrap_or_default();
            if known == name {
                return Some((candidate.bits, inner));
            }
            if known.is_empty()
                && depth > 0
                && let Some(inner) = &inner
                && let Some((bits, found)) = self.member(inner, name, depth - 1)
            {
                return Some((candidate.bits + bits, found));
            }
        }
        None
    }

    /// The structure that a type is, behind names and qualifiers.
    fn inner(self, number: u32) -> Option<Type<'a>> {
        let mut current = self.get(number)?;
        for _ in 0..DEPTH {
            current = match current.kind {
                Kind::Composite => return Some(current),
                Kind::Alias | Kind::Qualifier => self.get(current.size_or_target)?,
                _ => return None,
            };
        }
        None
    }
}

/// What the loader asks of the kernel's types, the numbers of some tracepoints, without all others: it would make a tree of
/// objects of them.
pub fn loaders_types(tracepoints: &[(&str, u32)]) -> Result<Btf, BtfError> {
    Btf::parse(&numbered(tracepoints), Endianness::default())
}

/// Types of which only these have a name, under their numbers.
fn numbered(tracepoints: &[(&str, u32)]) -> Vec<u8> {
    const MAGIC_AND_VERSION: u32 = 0x0001_eb9f;
    const HEADER: u32 = 24;
    const FORWARD: u32 = 7 << 24;
    const ALIAS: u32 = 8 << 24;
    let mut strings = vec![0];
    let last = tracepoints.iter().map(|(_, number)| *number).max().unwrap_or(0);
    let mut types = vec![[0, FORWARD, 0]; last as usize];
    for (name, number) in tracepoints {
        if let Some(place) = number.checked_sub(1) {
            types[place as usize] = [strings.len() as u32, ALIAS, 0];
            strings.extend(format!("btf_trace_{name}\0").bytes());
        }
    }
    let length = size_of_val(types.as_slice()) as u32;
    let header = [MAGIC_AND_VERSION, HEADER, 0, length, length, strings.len() as u32];
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.extend(types.into_iter().flatten().flat_map(u32::to_ne_bytes));
    bytes.extend(strings);
    bytes
}

//! ELF files, read without running them.
//!
//! Never: a panic, or a read outside of the bytes given, whatever they are.
//!
//! `dlopen` trusts what it maps: a file whose segments reach past its end does not fail there but kills the
//! process with SIGBUS. So a file must be whole before it gets that far.
//!
//! Standards: System V ABI (gABI), chapters 4 and 5.

use guerrilla_plugin_abi::note;
use object::NativeEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

/// A shared object for this machine, all of it there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'data> {
    pub(super) header: &'data FileHeader64<NativeEndian>,
    pub(super) bytes: &'data [u8],
    segments: &'data [ProgramHeader64<NativeEndian>],
}

impl<'data> Image<'data> {
    /// Checks a file's headers.
    ///
    /// # Errors
    /// What the file is instead, or where it ends too early.
    pub(super) fn parse(bytes: &'data [u8]) -> Result<Self, ElfError> {
        check_ident(bytes)?;
        let header = FileHeader64::<NativeEndian>::parse(bytes)
            .map_err(|_| ElfError::Malformed("header"))?;
        let kind = header.e_type.get(NativeEndian);
        if kind != elf::ET_DYN {
            return Err(ElfError::NotShared { found: kind });
        }
        let machine = header.e_machine.get(NativeEndian);
        if machine != MACHINE {
            return Err(ElfError::Machine { found: machine });
        }
        let segments = header
            .program_headers(NativeEndian, bytes)
            .map_err(|_| ElfError::Truncated("program headers"))?;
        check_segments(segments, bytes.len() as u64)?;
        // Linkers write the section headers last. The loader does not need them, but where they are announced
        // and missing, the end of the file is.
        header
            .section_headers(NativeEndian, bytes)
            .map_err(|_| ElfError::Truncated("section headers"))?;
        Ok(Self { header, bytes, segments })
    }

    /// The manifest in its note. Trust: the text is whatever the file says.
    ///
    /// # Errors
    /// There is no such note, more than one, or the notes cannot be read.
    pub(super) fn manifest(&self) -> Result<&'data [u8], ElfError> {
        let mut found = None;
        for segment in self.segments {
            let notes = segment
                .notes(NativeEndian, self.bytes)
                .map_err(|_| ElfError::Malformed("note segment"))?;
            for entry in notes.into_iter().flatten() {
                let entry = entry.map_err(|_| ElfError::Malformed("note"))?;
                let ours = entry.name_bytes() == &note::OWNER[..note::OWNER_LEN as usize]
                    && entry.n_type(NativeEndian) == note::TYPE_MANIFEST;
                if ours && found.replace(entry.desc()).is_some() {
                    return Err(ElfError::SeveralManifests);
                }
            }
        }
        match found {
            None => Err(ElfError::NoManifest),
            Some(text) if text.len() > MAX_MANIFEST => {
                Err(ElfError::ManifestTooBig { size: text.len() })
            }
            Some(text) => Ok(text),
        }
    }
}

/// The first bytes: before they are right, no other field can be read.
fn check_ident(bytes: &[u8]) -> Result<(), ElfError> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(ElfError::NotElf);
    }
    if bytes.len() < size_of::<FileHeader64<NativeEndian>>() {
        return Err(ElfError::Truncated("header"));
    }
    if bytes[EI_CLASS] != elf::ELFCLASS64 {
        return Err(ElfError::Class { found: bytes[EI_CLASS] });
    }
    let native = if cfg!(target_endian = "big") { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
    if bytes[EI_DATA] != native {
        return Err(ElfError::ByteOrder);
    }
    Ok(())
}

fn check_segments(
    segments: &[ProgramHeader64<NativeEndian>],
    file_size: u64,
) -> Result<(), ElfError> {
    let inside = |segment: &ProgramHeader64<NativeEndian>| {
        let (offset, size) = segment.file_range(NativeEndian);
        offset.checked_add(size).is_some_and(|end| end <= file_size)
    };
    let mut lowest_address = 0;
    let mut loads = 0_usize;
    let mut dynamic = false;
    for segment in segments {
        match segment.p_type(NativeEndian) {
            elf::PT_LOAD => {
                // The gABI has them in ascending order, and the loader sizes its mapping by the first and last.
                let address = segment.p_vaddr(NativeEndian);
                let in_memory = segment.p_memsz(NativeEndian);
                let end = address.checked_add(in_memory);
                if address < lowest_address
                    || in_memory < segment.p_filesz(NativeEndian)
                    || end.is_none_or(|end| end > HIGHEST_ADDRESS)
                {
                    return Err(ElfError::Malformed("loadable segment"));
                }
                lowest_address = address;
                loads += 1;
            }
            elf::PT_DYNAMIC => dynamic = true,
            elf::PT_NOTE => {}
            _ => continue,
        }
        if !inside(segment) {
            return Err(ElfError::Truncated("segments"));
        }
    }
    if loads == 0 || !dynamic {
        return Err(ElfError::Malformed("segment table (nothing to load)"));
    }
    Ok(())
}

/// Why a file is no shared object that could be loaded here, or has no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Something else.
    #[error("is not an ELF file; remove it, or build it as a cdylib")]
    NotElf,
    /// The file ends before something it announces.
    #[error(
        "is truncated: its {0} reach past the end of the file; copy it again, under another name, and rename it into place"
    )]
    Truncated(&'static str),
    /// Something in it makes no sense.
    #[error("is damaged: its {0} cannot be read; copy or build it again")]
    Malformed(&'static str),
    /// Not 64 bits.
    #[error(
        "is ELF class {found}, expected 2 (64 bits); build it for this machine ({})",
        std::env::consts::ARCH
    )]
    Class {
        /// The class found.
        found: u8,
    },
    /// The other byte order.
    #[error("has the other byte order; build it for this machine ({})", std::env::consts::ARCH)]
    ByteOrder,
    /// An object file, an executable, a core dump.
    #[error("is ELF type {found}, expected 3 (shared object); build it as a cdylib")]
    NotShared {
        /// The type found.
        found: u16,
    },
    /// Another processor.
    #[error("is built for {}, this host runs on {}; build it for this machine", machine_name(*found), std::env::consts::ARCH)]
    Machine {
        /// The `e_machine` found.
        found: u16,
    },
    /// A shared object, but no plugin.
    #[error(
        "holds no plugin manifest; it is no guerrillad plugin (a plugin is built with guerrilla-plugin-api and export_plugin!)"
    )]
    NoManifest,
    /// Two plugins linked into one file.
    #[error(
        "holds more than one plugin manifest, expected one; name all its processors in one export_plugin!"
    )]
    SeveralManifests,
    /// A manifest beyond reason.
    #[error(
        "has a manifest of {size} bytes, expected at most {MAX_MANIFEST}; make its descriptions and schemas smaller"
    )]
    ManifestTooBig {
        /// Its size.
        size: usize,
    },
}

impl ElfError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotElf | Self::NotShared { .. } => "plugin.not_elf",
            Self::Truncated(_) => "plugin.truncated",
            Self::Malformed(_) => "plugin.damaged",
            Self::Class { .. } | Self::ByteOrder | Self::Machine { .. } => "plugin.machine",
            Self::NoManifest => "plugin.no_manifest",
            Self::SeveralManifests | Self::ManifestTooBig { .. } => "plugin.manifest",
        }
    }
}

fn machine_name(machine: u16) -> String {
    let name = match machine {
        elf::EM_386 => "x86",
        elf::EM_X86_64 => "x86_64",
        elf::EM_ARM => "arm",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_RISCV => "riscv",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "loongarch",
        other => return format!("machine {other:#06x}"),
    };
    name.to_owned()
}

/// Longest manifest in bytes. The bundled plugins need a few thousand.
const MAX_MANIFEST: usize = 1 << 20;

/// No 64-bit system maps user memory above this, and sums of addresses below it cannot overflow.
const HIGHEST_ADDRESS: u64 = 1 << 56;

const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;

/// `e_machine` of this host.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    elf::EM_X86_64
} else if cfg!(target_arch = "aarch64") {
    elf::EM_AARCH64
} else if cfg!(target_arch = "riscv64") {
    elf::EM_RISCV
} else if cfg!(target_arch = "powerpc64") {
    elf::EM_PPC64
} else if cfg!(target_arch = "s390x") {
    elf::EM_S390
} else if cfg!(target_arch = "loongarch64") {
    elf::EM_LOONGARCH
} else {
    panic!("plugins need a 64-bit machine that this list knows")
};

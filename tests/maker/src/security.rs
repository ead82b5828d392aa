//! Security descriptors in their self-relative form (MS-DTYP 2.4.6).

/// A security identifier (MS-DTYP 2.4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sid {
    /// Identifier authority; 5 for NT.
    pub authority: u8,
    /// Sub-authorities, the RID last.
    pub parts: Vec<u32>,
}

impl Sid {
    /// `S-1-<authority>-<parts>`.
    pub fn new(authority: u8, parts: &[u32]) -> Self {
        Self { authority, parts: parts.to_vec() }
    }

    /// `S-1-5-18`, the machine itself.
    pub fn system() -> Self {
        Self::new(5, &[18])
    }

    /// `S-1-5-32-544`.
    pub fn administrators() -> Self {
        Self::new(5, &[32, 544])
    }

    /// `S-1-1-0`.
    pub fn everyone() -> Self {
        Self::new(1, &[0])
    }

    /// An account of a made-up domain; its ACLs mean nothing to any other machine.
    pub fn account(rid: u32) -> Self {
        Self::new(5, &[21, 1_085_031_214, 1_563_985_344, 725_345_543, rid])
    }

    /// As it stands in a descriptor.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![1, count, 0, 0, 0, 0, 0, self.authority];
        for part in &self.parts {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        bytes
    }
}

/// What an entry of an ACL does (MS-DTYP 2.4.4.1, `AceType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AceKind {
    /// Grants.
    Allow = 0,
    /// Denies.
    Deny = 1,
    /// Asks for an audit record; only in a SACL.
    Audit = 2,
}

/// One entry of an ACL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ace {
    /// What it does.
    pub kind: AceKind,
    /// Inheritance: 1 objects, 2 containers, 4 no propagation, 8 inherit only,
    /// 0x10 inherited; 0x40/0x80 success/failure for audits.
    pub flags: u8,
    /// Access mask; 0x1F01FF is everything.
    pub mask: u32,
    /// For whom.
    pub sid: Sid,
}

/// Full control of a file (MS-DTYP 2.4.3).
pub const FULL: u32 = 0x001F_01FF;
/// Read and execute.
pub const READ: u32 = 0x0012_00A9;

impl Ace {
    /// Grants `mask` to `sid`, inherited, as most entries of a profile are.
    pub fn inherited(mask: u32, sid: Sid) -> Self {
        Self { kind: AceKind::Allow, flags: 0x10, mask, sid }
    }
}

/// A descriptor before it becomes bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Owner.
    pub owner: Sid,
    /// Primary group.
    pub group: Sid,
    /// `None`: no DACL at all, which lets everybody do everything.
    pub dacl: Option<Vec<Ace>>,
    /// `None`: no SACL.
    pub sacl: Option<Vec<Ace>>,
    /// Further control bits: 0x400 DACL auto-inherited, 0x1000 DACL protected.
    pub control: u16,
}

impl Descriptor {
    /// What Windows gives to a file in a user's profile.
    pub fn of_user(owner: &Sid) -> Self {
        Self {
            owner: owner.clone(),
            group: Sid::account(513),
            dacl: Some(vec![
                Ace::inherited(FULL, Sid::system()),
                Ace::inherited(FULL, Sid::administrators()),
                Ace::inherited(FULL, owner.clone()),
            ]),
            sacl: None,
            control: 0x0400,
        }
    }

    /// The self-relative form.
    pub fn to_bytes(&self) -> Vec<u8> {
        const SELF_RELATIVE: u16 = 0x8000;
        const DACL_PRESENT: u16 = 0x0004;
        const SACL_PRESENT: u16 = 0x0010;
        let mut control = self.control | SELF_RELATIVE;
        if self.dacl.is_some() {
            control |= DACL_PRESENT;
        }
        if self.sacl.is_some() {
            control |= SACL_PRESENT;
        }

        let mut body = Vec::new();
        let mut place = |bytes: Vec<u8>| {
            let at = u32::try_from(20 + body.len()).unwrap_or(0);
            body.extend(bytes);
            at.to_le_bytes()
        };
        let sacl = self.sacl.as_ref().map_or([0; 4], |aces| place(acl(aces)));
        let dacl = self.dacl.as_ref().map_or([0; 4], |aces| place(acl(aces)));
        let owner = place(self.owner.to_bytes());
        let group = place(self.group.to_bytes());

        let mut bytes = vec![1, 0];
        bytes.extend_from_slice(&control.to_le_bytes());
        for offset in [owner, group, sacl, dacl] {
            bytes.extend_from_slice(&offset);
        }
        bytes.extend(body);
        bytes
    }
}

/// An ACL (MS-DTYP 2.4.5), revision 2.
fn acl(aces: &[Ace]) -> Vec<u8> {
    let mut body = Vec::new();
    for ace in aces {
        let sid = ace.sid.to_bytes();
        body.extend_from_slice(&[ace.kind as u8, ace.flags]);
        body.extend_from_slice(&size(8 + sid.len()));
        body.extend_from_slice(&ace.mask.to_le_bytes());
        body.extend(sid);
    }
    let mut bytes = vec![2, 0];
    bytes.extend_from_slice(&size(8 + body.len()));
    bytes.extend_from_slice(&size(aces.len()));
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend(body);
    bytes
}

fn size(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

//! Doubly linked lists of keys. A key is in one list at a time, so all lists share the links.

pub const NONE: u32 = u32::MAX;

/// The neighbours of every key that is in some list.
pub struct Links {
    newer: Vec<u32>,
    older: Vec<u32>,
}

impl Links {
    pub fn new(bound: u32) -> Links {
        Links { newer: vec![NONE; bound as usize], older: vec![NONE; bound as usize] }
    }

    pub fn newer(&self, key: u32) -> u32 {
        self.newer[key as usize]
    }
}

/// A list: keys enter at the newest end.
pub struct Queue {
    newest: u32,
    oldest: u32,
    len: usize,
}

impl Queue {
    pub fn new() -> Queue {
        Queue { newest: NONE, oldest: NONE, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// `NONE` if there is none.
    pub fn oldest(&self) -> u32 {
        self.oldest
    }

    pub fn push(&mut self, links: &mut Links, key: u32) {
        links.older[key as usize] = self.newest;
        links.newer[key as usize] = NONE;
        match self.newest {
            NONE => self.oldest = key,
            newest => links.newer[newest as usize] = key,
        }
        self.newest = key;
        self.len += 1;
    }

    pub fn remove(&mut self, links: &mut Links, key: u32) {
        let (newer, older) = (links.newer[key as usize], links.older[key as usize]);
        match newer {
            NONE => self.newest = older,
            newer => links.older[newer as usize] = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links.newer[older as usize] = newer,
        }
        self.len -= 1;
    }

    /// Takes the oldest key out. There must be one.
    pub fn pop(&mut self, links: &mut Links) -> u32 {
        let key = self.oldest;
        self.remove(links, key);
        key
    }
}

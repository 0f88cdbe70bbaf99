//! Arguments that outlive the input in which they came.

use std::ops::Range;

use super::request::ArgList;

/// See the module's description. The bytes lie one behind the other.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    data: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl OwnedArgs {
    pub fn list(&self) -> ArgList<'_> {
        ArgList::new(&self.data, &self.spans)
    }

    pub fn memory_bytes(&self) -> usize {
        self.data.capacity() + self.spans.capacity() * size_of::<Range<usize>>()
    }
}

impl From<ArgList<'_>> for OwnedArgs {
    fn from(args: ArgList<'_>) -> OwnedArgs {
        let mut data = Vec::with_capacity(args.iter().map(<[u8]>::len).sum());
        let spans = args.iter().map(|arg| {
            data.extend_from_slice(arg);
            data.len() - arg.len()..data.len()
        });
        let spans = spans.collect();
        OwnedArgs { data, spans }
    }
}

impl From<&[Vec<u8>]> for OwnedArgs {
    fn from(args: &[Vec<u8>]) -> OwnedArgs {
        let mut end = 0;
        let spans = args.iter().map(|arg| {
            end += arg.len();
            end - arg.len()..end
        });
        OwnedArgs { spans: spans.collect(), data: args.concat() }
    }
}

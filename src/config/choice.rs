//! Parameters with a fixed list of values, each as an enum whose variants are those values.

/// An enum whose variants are named in the configuration.
pub trait Options: Copy + Sized + 'static {
    /// The names, in the order of the variants; error messages list them so.
    const NAMES: &'static [&'static str];
    /// The variants, in the same order.
    const ALL: &'static [Self];
}

macro_rules! options {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl Options for $name {
            const NAMES: &'static [&'static str] = &[$($text,)*];
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    )*};
}

options! {
    /// Who may use something dangerous.
    Permission {
        No = "no",
        Yes = "yes",
        /// Clients that come from this machine.
        Local = "local",
    }

    /// Which keys go when memory is short. `Volatile…` takes keys with an expiry only.
    EvictionPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        /// The key that expires first.
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        /// Nothing goes; writes that need memory are refused.
        NoEviction = "noeviction",
    }

    /// How important a message must be to be logged: Redis's names, and two that others expect.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
        /// Another name of notice.
        Info = "info",
        /// Less than warning: only what went wrong.
        Error = "error",
    }

    /// When what is logged is made durable.
    SyncPolicy {
        /// Before the reply.
        Always = "always",
        /// Once a second.
        Everysec = "everysec",
        /// When the kernel likes.
        No = "no",
    }

    LogFormat {
        Text = "text",
        Json = "json",
    }
}

impl LogLevel {
    /// The filter of the `log` crate, which has one level below Redis's `debug` less:
    /// debug → Trace, verbose → Debug, notice and info → Info, warning → Warn, error → Error.
    pub fn filter(self) -> log::LevelFilter {
        match self {
            Self::Debug => log::LevelFilter::Trace,
            Self::Verbose => log::LevelFilter::Debug,
            Self::Notice | Self::Info => log::LevelFilter::Info,
            Self::Warning => log::LevelFilter::Warn,
            Self::Error => log::LevelFilter::Error,
            Self::Nothing => log::LevelFilter::Off,
        }
    }
}

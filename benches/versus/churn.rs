//! Memory under values that change their sizes: how much more is resident than is alive, over time.
//!
//! One client writes new values, overwrites others, lets some expire and deletes as many as keep the live bytes at the
//! same amount. Sizes are between 8 bytes and 64 KiB, and drift: small ones, then large ones, then small ones again. So what
//! an allocator has set aside for one size is of no use for what comes next. Live bytes are those of keys and values, as
//! the client knows them; what a key costs besides is part of the ratio, for both servers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Result;
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Fast, Values};

const SIZE_MIN: f64 = 8.0;
const SIZE_MAX: usize = 64 * 1024;
/// Commands in a pipeline, deletions not counted.
const BATCH: usize = 50;
/// How long a value lives that expires.
const LIFE: Duration = Duration::from_secs(2);
/// Servers remove what has expired a little later.
const GRACE: Duration = Duration::from_millis(200);
/// The ratio is told so many times.
const SAMPLES: u32 = 8;

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!(
        "Values of changing sizes around {} MB for {} s: resident memory for each live byte (less is better)",
        options.churn_bytes / 1_000_000,
        options.churn.as_secs_f64()
    );
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        for index in Options::order(round, programs.len()) {
            progress(round, &format!("churn of {}", programs[index].name));
            let server = programs[index].start()?;
            measure(&server, options, |label, unit, figure| {
                table.record(label, unit, index, &[figure]);
            })?;
        }
    }
    table.print();
    Ok(())
}

fn measure(
    server: &Server,
    options: &Options,
    mut record: impl FnMut(&str, Unit, f64),
) -> Result<()> {
    let mut control = server.control()?;
    let mut churn = Churn::new(options.churn_bytes);
    let mut pipeline = redis::pipe();
    while churn.live_bytes < churn.target_bytes {
        churn.step(&mut pipeline, 0.5);
        pipeline.exec(&mut control)?;
    }
    let ratio = |churn: &Churn| -> Result<f64> {
        Ok(server.resident_bytes()? as f64 / churn.live_bytes as f64)
    };
    record("filled", Unit::Factor, ratio(&churn)?);
    let mut fragmentation: f64 = 0.0;
    let (began, mut commands) = (Instant::now(), 0);
    for sample in 1..=SAMPLES {
        let end = options.churn * sample / SAMPLES;
        while began.elapsed() < end {
            let progress = began.elapsed().as_secs_f64() / options.churn.as_secs_f64();
            commands += churn.step(&mut pipeline, progress);
            pipeline.exec(&mut control)?;
        }
        let label = format!("after {} % of the time", 100 * sample / SAMPLES);
        record(&label, Unit::Factor, ratio(&churn)?);
        let used = server.info_figure("used_memory")?;
        fragmentation = fragmentation.max(server.resident_bytes()? as f64 / used);
    }
    record("most for each byte that the server says it uses", Unit::Factor, fragmentation);
    let peak = server.peak_resident_bytes()? as f64 / churn.target_bytes as f64;
    record("peak, for each byte of the target", Unit::Factor, peak);
    std::thread::sleep(options.settle);
    churn.forget_expired();
    record("at rest", Unit::Factor, ratio(&churn)?);
    record("commands per second", Unit::Count, commands as f64 / options.churn.as_secs_f64());
    Ok(())
}

/// What is alive, and what happens next.
struct Churn {
    random: Fast,
    values: Values,
    target_bytes: usize,
    live_bytes: usize,
    /// Keys that stay until they are deleted: their numbers and bytes.
    staying: Vec<(usize, usize)>,
    /// When others have expired, and their bytes.
    expiring: VecDeque<(Instant, usize)>,
    next: usize,
}

impl Churn {
    fn new(target_bytes: usize) -> Churn {
        Churn {
            random: Fast::seeded(4),
            values: Values::new(SIZE_MAX),
            target_bytes,
            live_bytes: 0,
            staying: Vec::new(),
            expiring: VecDeque::new(),
            next: 0,
        }
    }

    /// Puts the next commands into the pipeline; tells how many. `progress` from 0 to 1 decides on sizes.
    fn step(&mut self, pipeline: &mut redis::Pipeline, progress: f64) -> usize {
        pipeline.clear();
        self.forget_expired();
        for _ in 0..BATCH {
            let size = self.size(progress);
            match self.random.below(10) {
                0 => self.write_expiring(pipeline, size),
                1..=3 if !self.staying.is_empty() => self.overwrite(pipeline, size),
                _ => self.write(pipeline, size),
            }
        }
        let mut deleted = 0;
        while self.live_bytes > self.target_bytes && !self.staying.is_empty() {
            let at = self.random.below(self.staying.len());
            let (number, bytes) = self.staying.swap_remove(at);
            self.live_bytes -= bytes;
            pipeline.cmd("DEL").arg(format!("key:{number}")).ignore();
            deleted += 1;
        }
        BATCH + deleted
    }

    /// Spread over a factor of sixteen around a size that goes up and down once.
    fn size(&mut self, progress: f64) -> usize {
        let height = 1.0 - (2.0 * progress - 1.0).abs();
        let powers = (SIZE_MAX as f64 / SIZE_MIN).log2();
        let spread = self.random.below(4096) as f64 / 1024.0 - 2.0;
        let size = SIZE_MIN * (powers * height + spread).exp2();
        (size.max(SIZE_MIN) as usize).min(SIZE_MAX)
    }

    fn set(
        &mut self,
        pipeline: &mut redis::Pipeline,
        key: &str,
        size: usize,
        life: Option<Duration>,
    ) {
        let value = &self.values.any(&mut self.random)[..size];
        let command = pipeline.cmd("SET").arg(key).arg(value);
        if let Some(life) = life {
            command.arg("PX").arg(life.as_millis() as usize);
        }
        command.ignore();
        self.live_bytes += key.len() + size;
    }

    fn write(&mut self, pipeline: &mut redis::Pipeline, size: usize) {
        let key = format!("key:{}", self.next);
        self.set(pipeline, &key, size, None);
        self.staying.push((self.next, key.len() + size));
        self.next += 1;
    }

    fn overwrite(&mut self, pipeline: &mut redis::Pipeline, size: usize) {
        let at = self.random.below(self.staying.len());
        let (number, bytes) = self.staying[at];
        let key = format!("key:{number}");
        self.live_bytes -= bytes;
        self.set(pipeline, &key, size, None);
        self.staying[at].1 = key.len() + size;
    }

    fn write_expiring(&mut self, pipeline: &mut redis::Pipeline, size: usize) {
        let key = format!("expiring:{}", self.next);
        self.set(pipeline, &key, size, Some(LIFE));
        self.expiring.push_back((Instant::now() + LIFE + GRACE, key.len() + size));
        self.next += 1;
    }

    fn forget_expired(&mut self) {
        let now = Instant::now();
        while self.expiring.front().is_some_and(|(gone, _)| *gone <= now) {
            self.live_bytes -= self.expiring.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }
}

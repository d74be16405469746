//! Reports: what the daemon tells about itself, each field named once.
//!
//! A [`Report`] shows its fields, in wire order, to a [`Visitor`]; the wire reader and writer, CSV and JSON are
//! visitors. A [`Value`] is a *meaning* ([`Seconds`], [`Frequency`], [`Interval`], [`Time`], [`Address`] …), which
//! fixes its form on the wire, its text and whether it is a number. Read [`crate::control::tracking`] for an example.
//!
//! Reports carry SI units; [`Frequency`] and the control protocol's ppm meet inside the value type only.

pub mod csv;
pub mod json;
pub mod json_read;
pub mod text;
pub mod value;
pub mod wire;

pub use csv::csv;
pub use json::json;
pub use value::{
    Address, Cell, Char, Frequency, Interval, LeapStatus, Log2Interval, Number, Seconds, SelectOptions,
    Shown, SourceName, Time, Value,
};

/// What a number counts; names in JSON end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count, a name, a flag.
    None,
    /// Seconds.
    Seconds,
    /// Parts per million.
    Ppm,
    /// Parts per million per second.
    PpmPerSecond,
    /// log₂ of seconds.
    Log2Seconds,
}

impl Unit {
    /// The ending of a name that carries this unit.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "_s",
            Self::Ppm => "_ppm",
            Self::PpmPerSecond => "_ppm_per_s",
            Self::Log2Seconds => "_log2_s",
        }
    }
}

/// One field of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in its report.
    pub name: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// Decimals in CSV.
    pub digits: usize,
    /// One sentence; says the sign where there is one.
    pub doc: &'static str,
}

impl Column {
    /// The same column with another number of decimals in CSV.
    pub const fn digits(self, digits: usize) -> Self {
        Self { digits, ..self }
    }
}

/// A column; seconds have nine decimals in CSV, frequencies three.
pub const fn col(name: &'static str, unit: Unit, doc: &'static str) -> Column {
    let digits = match unit {
        Unit::Seconds => 9,
        Unit::Ppm => 3,
        Unit::PpmPerSecond => 6,
        Unit::None | Unit::Log2Seconds => 0,
    };
    Column { name, unit, digits, doc }
}

/// Looks at (or fills in) the fields of a report.
pub trait Visitor {
    /// A field that is on the wire and in every rendering.
    fn field<T: Value>(&mut self, column: &Column, value: &mut T);
    /// A field that only the wire has: padding, packed flags. Renderers skip it.
    fn wire<T: Value>(&mut self, _value: &mut T) {}
    /// A field computed from others for renderings. Wire visitors skip it.
    fn derived<T: Value>(&mut self, _column: &Column, _value: T) {}
}

/// A struct whose fields can be visited, in wire order.
pub trait Report: Default + Clone {
    /// Shows every field once, in wire order; readers and writers are both visitors.
    fn fields<V: Visitor>(&mut self, v: &mut V);
}

/// A report that a person or a script reads.
pub trait Page: Report {
    /// The columns of a CSV record in order; `name` is the source's name as the caller writes it.
    const COLUMNS: &'static [&'static str];
    /// Explains a table's columns (option `-v`); empty if there is nothing to explain.
    const LEGEND: &'static str = "";

    /// A table's heading and its underline; empty for reports of one record.
    fn heading(_wide: bool) -> String {
        String::new()
    }
    /// The human layout of one record, ending in a line feed. `name` is the source's name or address as the
    /// caller wants it shown ([`text::fit_name`] cuts host names).
    fn text(&self, name: &str, wide: bool) -> String;
}

//! One record of comma-separated values, as `chronyc -c` prints it: no header, no quotes, no units.

use super::{Column, Report, Value, Visitor};

#[derive(Default)]
struct Csv(Vec<(&'static str, Option<String>)>);

impl Visitor for Csv {
    fn field<T: Value>(&mut self, column: &Column, value: &mut T) {
        self.0.push((column.name, value.csv(column.digits)));
    }
    fn derived<T: Value>(&mut self, column: &Column, value: T) {
        self.0.push((column.name, value.csv(column.digits)));
    }
}

/// The record with these `columns`, without a line feed; the column `name` is `name`.
///
/// Columns whose value is absent (an older daemon does not send it) are left out.
pub fn csv<R: Report>(report: &R, columns: &[&str], name: &str) -> String {
    let mut fields = Csv::default();
    report.clone().fields(&mut fields);
    let record: Vec<&str> = columns
        .iter()
        .filter_map(|&column| {
            let field = fields.0.iter().find(|field| field.0 == column);
            field.map_or((column == "name").then_some(name), |field| field.1.as_deref())
        })
        .collect();
    record.join(",")
}

/// The names of the columns a report has besides `name`: for tests and documentation.
pub fn column_names<R: Report>() -> Vec<&'static str> {
    let mut fields = Csv::default();
    R::default().fields(&mut fields);
    fields.0.into_iter().map(|field| field.0).collect()
}

// What the made-up server offers to draw, in the form of /api/plots.
// SPDX-License-Identifier: MIT OR Apache-2.0

const line = (id, label, colour = 'c1', more = {}) => ({ id, label, as: 'line', colour, dash: 0, sign: 1, ...more });
const band = (id, label, colour = 'c1') => line(id, label, colour, { as: 'band' });
const area = (id, label, colour, sign = 1) => line(id, label, colour, { as: 'area', sign });
const each = (id, as = 'line') => ({ id, label: '', as, colour: 'c1', dash: 0, sign: 1, each: 'source' });
const plot = (id, group, title, unit, scale, digits, series, more = {}) => ({
  id, group, title, term: id, unit, scale, digits, signed: false, zero: false, robust: false, stack: false, min: null, max: null, pages: [], classic: null, series, ...more,
});
const up = { min: 0 };

export const PLOTS = [
  plot('offset', 'clock', 'Clock offset inside its error bound', 'ms', 1e3, 3, [line('error_bound', 'could be', 'c5', { as: 'envelope' }), band('offset', 'offset')], { signed: true, zero: true, robust: true, pages: ['overview', 'clock'] }),
  plot('requests', 'service', 'Requests', 'per second', 1, 0, [line('packets_out', 'answered', 'c1'), line('limited', 'over the limit', 'c2'), line('invalid', 'not valid', 'c5'), line('refused', 'refused', 'c4'), line('packets_in', 'busiest', 'c5', { as: 'peak' })], { stack: true, ...up, pages: ['overview', 'service'] }),
  plot('traffic', 'service', 'Traffic', 'kbit/s', 8e-3, 0, [area('bytes_in', 'in', 'c1'), area('bytes_out', 'out', 'c3', -1)], { pages: ['overview', 'service'] }),
  plot('frequency', 'clock', 'Frequency against its median', 'ppb', 1e9, 0, [band('frequency', 'frequency')], { signed: true, relative: 'median', pages: ['overview', 'clock'] }),
  plot('temperature', 'clock', 'Temperature', '°C', 1, 1, [band('temperature', 'processor', 'c2')], { pages: ['overview', 'clock', 'host'] }),
  plot('residual_frequency', 'clock', 'Residual frequency', 'ppm', 1e6, 4, [band('residual_frequency', 'residual')], { signed: true, zero: true, pages: ['clock'] }),
  plot('skew', 'clock', 'Skew', 'ppm', 1e6, 4, [band('skew', 'skew')], { ...up, pages: ['clock'] }),
  plot('last_offset', 'clock', 'Last offset', 'ms', 1e3, 3, [band('last_offset', 'last')], { signed: true, zero: true, robust: true, pages: ['clock'] }),
  plot('rms_offset', 'clock', 'RMS offset', 'ms', 1e3, 3, [band('rms_offset', 'rms')], { ...up, pages: ['clock'] }),
  plot('root_delay', 'clock', 'Root delay', 'ms', 1e3, 2, [band('root_delay', 'delay', 'c3')], { ...up, pages: ['clock'] }),
  plot('root_dispersion', 'clock', 'Root dispersion', 'ms', 1e3, 2, [band('root_dispersion', 'dispersion', 'c3')], { ...up, pages: ['clock'] }),
  plot('source_offset', 'sources', 'Offset of each source', 'ms', 1e3, 2, [each('source_offset')], { term: 'offset', signed: true, robust: true, pages: ['sources'] }),
  plot('source_delay', 'sources', 'Delay', 'ms', 1e3, 1, [each('source_delay')], { term: 'delay', ...up, pages: ['sources'] }),
  plot('source_jitter', 'sources', 'Jitter', 'ms', 1e3, 2, [each('source_jitter')], { term: 'jitter', ...up, pages: ['sources'] }),
  plot('source_state', 'sources', 'State of each source', '', 1, 0, [each('source_state', 'state')], { term: 'state', pages: ['sources'] }),
  plot('cpu', 'host', 'Processor', '% of one core', 100, 1, [line('cpu_system', 'kernel', 'c1'), line('cpu_user', 'program', 'c3')], { stack: true, ...up, pages: ['overview', 'host'] }),
  plot('memory', 'host', 'Memory', 'MB', 1e-6, 1, [band('memory', 'resident', 'c3')], { ...up, pages: ['host'] }),
  plot('conntrack', 'host', 'Connection tracking', 'entries', 1, 0, [band('conntrack', 'used', 'c4')], { ...up, pages: ['host'] }),
  plot('classic_cpu', 'host', 'CPU', '% of one core', 100, 2, [line('cpu_system', 'system', 'c1'), line('cpu_user', 'user', 'c3')], { stack: true, term: 'cpu', ...up, classic: 1 }),
  plot('classic_requests', 'service', 'NTP requests', '/s', 1, 0, [line('received', 'received'), line('limited', 'dropped', 'c2', { dash: 1 })], { term: 'requests', ...up, classic: 2 }),
  plot('classic_packets', 'service', 'Packets', '/s', 1, 0, [line('packets_in', 'in'), line('packets_out', 'out', 'c3', { dash: 1 })], { term: 'packets', ...up, classic: 3 }),
  plot('classic_traffic', 'service', 'Traffic', 'kbit/s', 8e-3, 0, [line('bytes_in', 'in'), line('bytes_out', 'out', 'c3', { dash: 1 })], { term: 'traffic', ...up, classic: 4 }),
  plot('classic_offset', 'clock', 'System offset', 'ms', 1e3, 3, [band('offset', 'offset')], { term: 'offset', signed: true, zero: true, robust: true, classic: 5 }),
  plot('classic_last_offset', 'clock', 'Last offset', 'ms', 1e3, 3, [band('last_offset', 'last')], { term: 'last_offset', signed: true, zero: true, robust: true, classic: 6 }),
  plot('classic_rms_offset', 'clock', 'RMS offset', 'ms', 1e3, 3, [band('rms_offset', 'rms')], { term: 'rms_offset', ...up, classic: 7 }),
  plot('classic_frequency', 'clock', 'Frequency', 'ppm', 1e6, 3, [band('frequency', 'frequency')], { term: 'frequency', classic: 8 }),
  plot('classic_residual_frequency', 'clock', 'Residual frequency', 'ppm', 1e6, 4, [band('residual_frequency', 'residual')], { term: 'residual_frequency', signed: true, zero: true, classic: 9 }),
  plot('classic_skew', 'clock', 'Skew', 'ppm', 1e6, 4, [band('skew', 'skew')], { term: 'skew', ...up, classic: 10 }),
  plot('classic_root_delay', 'clock', 'Root delay', 'ms', 1e3, 3, [band('root_delay', 'delay', 'c3')], { term: 'root_delay', ...up, classic: 11 }),
  plot('classic_root_dispersion', 'clock', 'Root dispersion', 'ms', 1e3, 3, [band('root_dispersion', 'dispersion', 'c3')], { term: 'root_dispersion', ...up, classic: 12 }),
  plot('classic_update_interval', 'clock', 'Update interval', 'min', 1 / 60, 1, [line('update_interval', 'interval', 'c5', { as: 'step' })], { term: 'update_interval', ...up, classic: 13 }),
];

const term = (title, what, good = '', chrony = '') => ({ title, what, good, chrony });
export const TERMS = {
  error_bound: term('Error bound', 'The largest error this clock can have right now, if its sources are right: offset (without sign) + root dispersion + half the root delay.', 'Below 10 ms is excellent for a pool server; the pool takes points away above 25 ms.'),
  offset: term('Clock offset', 'How far the system clock is believed to be from true time. Plus means it is ahead.', 'It should wander around zero, well inside the shaded bound. A slope means the frequency is being learned.', 'System time'),
  stratum: term('Stratum', 'Steps from a reference clock. An atomic or GPS clock is 0; a server beside it is 1; this one asks such a server, so it is 2.', 'It is distance, not quality. 1 to 4 is normal.', 'Stratum'),
  requests: term('Requests', 'NTP questions received in one second, and what became of each.', 'Answered is everything that deserved an answer.', 'serverstats'),
  dropped: term('Dropped', 'Requests not answered: over the rate limit, refused by an access rule, or not valid NTP.', 'Below 3 % is normal on a public server.', 'serverstats'),
  clients: term('Clients', 'Different addresses that asked in the last hour. IPv6 is counted by /64.', 'Many devices may hide behind one address.'),
  conntrack: term('Connection tracking', 'How full the firewall’s table of connections is. When full, new connections of the whole network fail.', 'Below 50 %.', 'nf_conntrack_count'),
  cpu: term('Processor', 'Time the server process used, in percent of one core.', '', 'utime, stime'),
  frequency: term('Frequency', 'How fast this board’s oscillator runs compared with true time, in parts per million. 1 ppm is 86 ms a day.', 'Its size does not matter, only that it stays the same.', 'Frequency'),
  last_offset: term('Last offset', 'What the most recent measurement said the error was, before correction.', 'Noisier than the clock itself.', 'Last offset'),
  rms_offset: term('RMS offset', 'A long-term average of the offsets’ size.', 'The typical error, without sign.', 'RMS offset'),
  residual_frequency: term('Residual frequency', 'The part of the frequency that measurements still disagree about.', 'Near 0.', 'Residual freq'),
  skew: term('Skew', 'How uncertain the frequency is.', 'Below 0.1 ppm is very good.', 'Skew'),
  root_delay: term('Root delay', 'Round trip to the reference clock at the top of the chain. Half of it is the worst asymmetry could do.', '', 'Root delay'),
  root_dispersion: term('Root dispersion', 'The error that could have collected since the reference clock was read.', 'It grows between updates and when sources are lost.', 'Root dispersion'),
  update_interval: term('Update interval', 'Time between the last two corrections of the clock.', 'Longer is calmer: the clock needs less help.', 'Update interval'),
  temperature: term('Temperature', 'The processor’s thermal sensor. The oscillator sits beside it and changes as it warms.'),
  response: term('Response time', 'From a request’s arrival in the kernel to the reply handed back. Half are faster than p50, 99 % faster than p99.'),
  traffic: term('Traffic', 'NTP bytes on the wire, with IP headers. Above the line in, below it out.', 'In and out should be alike: replies are never longer than requests.'),
  packets: term('Packets', 'NTP packets in and out.'),
  memory: term('Memory', 'Memory of the daemon that is really in use (resident).'),
  sources: term('Sources', 'How many of the configured sources agree and may be used.'),
};

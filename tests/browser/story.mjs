// A made-up day of a public server in the southern evening of 21 November 2026, always the same: a power cut, three sources lost, one
// that turns wrong, an abuser. It is the data behind the tests of the page and its pictures; nothing here was measured.
// SPDX-License-Identifier: MIT OR Apache-2.0

export const HOUR = 3600, DAY = 86400;
export const NOW = Date.UTC(2026, 10, 21, 21, 30) / 1000;
const at = (h, m) => Date.UTC(2026, 10, 21, h, m) / 1000;
const ago = days => NOW - days * DAY;
const POWER = [at(3, 12), at(3, 34)], TRANSIT = [at(10, 20), at(11, 5)], BURST = [at(14, 5), at(14, 47)], UNSTEADY = [at(17, 0), at(17, 40)], BRIEF = [at(16, 20), at(16, 52)], WRONG = at(12, 40);
export const GAPS = [[ago(141), ago(138.6)], [ago(23.4), ago(23.3)], POWER];
export const SINCE = Date.UTC(2024, 2, 3) / 1000, STARTED = POWER[1];

// Noise without chance: a hash, smooth noise over it, and a nearly Gaussian grain.
const hash = (n, s) => {
  let x = Math.imul(n ^ Math.imul(s + 1, 0x9e3779b1), 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  x ^= x >>> 16;
  return (x >>> 0) / 4294967296;
};
const smooth = (t, s) => { const i = Math.floor(t), f = t - i, u = f * f * (3 - 2 * f); return (hash(i, s) * (1 - u) + hash(i + 1, s) * u) * 2 - 1; };
const waves = (t, s) => smooth(t, s) * .55 + smooth(t * 2.3, s + 7) * .3 + smooth(t * 5.1, s + 13) * .15;
const grain = (t, s) => { const n = Math.floor(t / 16); return (hash(n, s) + hash(n, s + 31) + hash(n, s + 57) - 1.5) * 1.15; };

const within = (t, [a, b]) => t >= a && t < b;
const off = t => GAPS.some(g => within(t, g)) || t > NOW + 3 * HOUR || t < SINCE;
const since = t => Math.min(1e9, ...GAPS.filter(g => t >= g[1]).map(g => t - g[1]));
const hour = t => (t % DAY) / HOUR;
const grown = t => { const d = (NOW - t) / DAY; return d > 300 ? .22 : d > 210 ? .4 : d > 120 ? .6 : d > 40 ? .8 : 1; };

function load(t) {
  const h = hour(t), day = .5 - .5 * Math.cos((h - 3.6) / 24 * 2 * Math.PI), evening = Math.exp(-(((h - 19.2 + 36) % 24 - 12) ** 2) / 9);
  const weekend = 1 - .1 * Math.max(0, Math.sin((t / DAY + 1.2) / 7 * 2 * Math.PI));
  return (820 + 1500 * day ** 1.3 + 2000 * evening) * grown(t) * weekend * (within(t, TRANSIT) ? .86 : 1) * (1 + .035 * waves(t / 1500, 1) + .025 * grain(t, 2));
}
const burst = t => within(t, BURST) ? 1650 * Math.min(1, (t - BURST[0]) / 240) * (1 + .12 * waves(t / 300, 3)) : 0;
const busy = t => (1.4 + F.packets_in(t) / 4000 * 11.5 + .5 * grain(t, 33)) / 100;
const warmth = t => 46 + 3.2 * Math.sin((hour(t) - 10) / 24 * 2 * Math.PI) + load(t) / 4000 * 2.4 + .5 * waves(t / 2400, 8) + 5 * Math.sin((t / DAY - 110) / 365 * 2 * Math.PI);

// Every series in SI, as the archive keeps it.
const F = {
  limited: t => load(t) * (.006 + .002 * waves(t / 4000, 4)) + burst(t) * .94,
  refused: t => 1.2 + .6 * waves(t / 2000, 5),
  invalid: t => 6 + 3 * waves(t / 3000, 6) + load(t) * .0008,
  lost: () => 0,
  overrun: () => 0,
  packets_out: t => load(t) * .9925 + burst(t) * .06,
  packets_in: t => F.packets_out(t) + F.limited(t) + F.refused(t) + F.invalid(t),
  received: t => F.packets_in(t) - F.invalid(t) - F.refused(t),
  bytes_in_v6: t => F.packets_in(t) * 96 * .21, bytes_out_v6: t => F.packets_out(t) * 96 * .21,
  bytes_in: t => F.packets_in(t) * 76, bytes_out: t => F.packets_out(t) * 76,
  temperature: warmth, thermometer: t => warmth(t) - 4, temperature_gain: t => (12.5 + .2 * waves(t / 90000, 13)) * 1e-9,
  frequency: t => (-1073.118 + .0125 * (warmth(t) - 46) + .012 * waves(t / 30000, 9) + .0025 * grain(t, 10)) * 1e-6,
  residual_frequency: t => (.0042 * grain(t, 11) + .003 * waves(t / 700, 12) + (within(t, TRANSIT) ? .014 * grain(t, 71) : 0)) * 1e-6,
  skew: t => (.0062 + .002 * waves(t / 5000, 13) + .05 * Math.exp(-since(t) / 900) + (within(t, TRANSIT) ? .019 : 0)) * 1e-6,
  root_delay: t => (within(t, TRANSIT) ? 2.06 + .12 * grain(t, 14) : .392 + .03 * waves(t / 4000, 15) + .018 * grain(t, 16)) * 1e-3,
  root_dispersion: t => within(t, TRANSIT) ? .00058 + 9e-8 * (t - TRANSIT[0]) : .000121 + .00002 * waves(t / 800, 17) + .0004 * Math.exp(-since(t) / 240),
  offset: t => (.05 * waves(t / 1100, 18) + .034 * grain(t, 19) + .62 * Math.exp(-since(t) / 260) + (within(t, TRANSIT) ? -.24 * Math.sin((t - TRANSIT[0]) / 2700 * Math.PI) + .05 * grain(t, 20) : 0)) * 1e-3,
  last_offset: t => F.offset(t) * .8 + .03e-3 * grain(t, 21),
  rms_offset: t => (.034 + .01 * waves(t / 5000, 22) + .12 * Math.exp(-since(t) / 1800) + (t > TRANSIT[0] ? .07 * Math.exp(-Math.max(0, t - TRANSIT[1]) / 2400) * Math.min(1, (t - TRANSIT[0]) / 900) : 0)) * 1e-3,
  error_bound: t => Math.abs(F.offset(t)) + F.root_dispersion(t) + F.root_delay(t) / 2,
  update_interval: t => 60 * (within(t, TRANSIT) ? 17.2 : since(t) < 1800 ? 1.1 : [4.3, 8.6, 8.6, 17.2][Math.floor(hash(Math.floor(t / 2400), 23) * 4)]),
  stratum: t => within(t, TRANSIT) ? 3 : 2,
  conntrack: t => 700 + load(t) / 9 + 60 * waves(t / 900, 30),
  cpu_user: t => busy(t) * .31, cpu_system: t => busy(t) * .69,
  memory: t => 5.1e6 + 4e5 * waves(t / 20000, 41),
  clients: t => Math.round(load(t) * 78 * (1 + .01 * waves(t / 3000, 28))),
  usable_sources: t => within(t, TRANSIT) ? 2 : t > WRONG ? 4 : 5,
};

export const SOURCES = [
  { id: 's0', name: 'gps.ixp.example', address: '203.0.113.33', ref_id: 'PPS', stratum: 1, d: .39, j: .011, o: .004, poll: 64, why: 'Smallest error bound of all: 0.21 ms.' },
  { id: 's1', name: 'ptb.time.example', address: '2001:db8:1::123', ref_id: 'PTB', stratum: 1, d: 6.9, j: .06, o: -.11, poll: 256, why: 'Close to the selected one; averaged with it.' },
  { id: 's2', name: 'time.uni.example', address: '2001:db8:20::7', ref_id: 'GPS', stratum: 1, d: 4.1, j: .16, o: .21, poll: 128, why: 'Close to the selected one; averaged with it.' },
  { id: 's3', name: 'ntp1.isp.example', address: '192.0.2.10', ref_id: '198.51.100.9', stratum: 2, d: 2.1, j: .09, o: -.31, poll: 256, why: 'Right, but less exact than the others.' },
  { id: 's4', name: 'ntp.city.example', address: '198.51.100.4', ref_id: '192.0.2.77', stratum: 2, d: 11.8, j: .9, o: .4, poll: 128, why: '47 ms from where the other four agree.' },
];
export const CODES = { lost: 0, wrong: 1, unsteady: 2, unneeded: 3, combined: 4, selected: 5 };
SOURCES.forEach((s, i) => {
  const silent = t => i < 3 && within(t, TRANSIT);
  const ragged = t => i === 2 && within(t, UNSTEADY);
  F['source_offset@' + s.id] = t => silent(t) ? null : (s.o + s.j * 1.6 * waves(t / 2400, 40 + i) + s.j * grain(t, 50 + i) + (i === 4 && t >= WRONG ? 47.2 : 0) + (ragged(t) ? 1.1 * grain(t, 90) : 0)) * 1e-3;
  F['source_delay@' + s.id] = t => silent(t) ? null : (s.d * (1 + .03 * waves(t / 3000, 60 + i)) + s.j * Math.abs(grain(t, 65 + i))) * 1e-3;
  F['source_jitter@' + s.id] = t => silent(t) ? null : (s.j * (1 + .3 * waves(t / 4000, 80 + i)) + (ragged(t) ? .9 : 0)) * 1e-3;
  const state = t => {
    if (since(t) < 150) return 'lost';
    if (within(t, TRANSIT)) return i < 3 ? 'lost' : i === 3 ? 'selected' : 'combined';
    if (i === 0) return within(t, BRIEF) ? 'combined' : 'selected';
    if (i === 1) return within(t, BRIEF) ? 'selected' : 'combined';
    if (i === 2) return ragged(t) ? 'unsteady' : t > TRANSIT[1] && t < TRANSIT[1] + 1500 ? 'unneeded' : 'combined';
    if (i === 3) return t < at(18, 10) && hash(Math.floor(t / 9000), 97) > .7 ? 'combined' : 'unneeded';
    return t >= WRONG ? 'wrong' : hash(Math.floor(t / 11000), 98) > .5 ? 'combined' : 'unneeded';
  };
  s.state = state;
  F['source_state@' + s.id] = t => CODES[state(t)];
});

/** The value of a series at an instant; undefined for a name that does not exist, null while the machine was off. */
export const value = (name, t) => Object.hasOwn(F, name) ? (off(t) ? null : F[name](t)) : undefined;
export const names = () => Object.keys(F);

/** Mean, least and most of a series over `step` seconds from `t`. */
export function sample(name, t, step) {
  const k = step >= DAY ? 12 : step > 60 ? 6 : 3, list = [];
  for (let j = 0; j < k; j++) { const v = value(name, t + step * j / k); if (v !== null) list.push(v); }
  if (!list.length || t > NOW + 3 * HOUR) return [null, null, null];
  const mean = name.startsWith('source_state') || name === 'stratum' ? list.at(-1) : list.reduce((a, b) => a + b, 0) / list.length;
  return [mean, Math.min(...list), Math.max(...list)];
}

const event = (from, kind, short, what, why, effect, end = null) => ({ at: from, end, kind, short, what, why, effect });
export const EVENTS = [
  event(at(18, 24), 'pool', 'busiest minute', 'Most answers so far: 4 031 a second', 'The evening peak. The processor was at 13 % of one core; nothing was lost.', 'Safe to raise the pool’s net speed one step.'),
  event(UNSTEADY[0], 'source', 'uni unsteady', 'time.uni.example was too unsteady to use', 'Its answers scattered by 1.1 ms for 40 minutes, ten times the usual. It was used again by itself.', 'No effect: three good sources remained.', UNSTEADY[1]),
  event(BRIEF[0], 'source', 'ptb selected', 'Selected ptb.time.example for 32 minutes', 'Its error bound was briefly smaller than that of gps.ixp.example.', 'Step between the two: 0.02 ms.'),
  event(BURST[0], 'alarm', 'abuse, 1 650/s', 'One address sent 1 650 requests a second', '203.0.113.214 asked without pause. It was limited after 0.4 s; 3.7 million packets were dropped in 42 minutes.', 'No other client was affected.', BURST[1]),
  event(WRONG, 'alarm', 'city wrong, 47 ms', 'ntp.city.example is wrong by 47 ms and is ignored', 'It disagrees with the four other sources, which agree with each other within 0.6 ms. Its delay did not change, so its own clock is off.', 'Offset not affected. Advice: replace this source.'),
  event(TRANSIT[1], 'source', 'gps is back', 'Selected gps.ixp.example again', 'Three sources answer again after 45 minutes.', 'Error bound back to 0.4 ms.'),
  event(TRANSIT[0], 'alarm', '3 sources lost', 'Three sources stopped answering', 'gps.ixp, ptb.time and time.uni are reached through the same transit, which was down. ntp1.isp.example was selected instead.', 'Error bound rose to 2.1 ms.', TRANSIT[1]),
  event(at(8, 12), 'config', 'limit changed', 'ratelimit interval 1 → 2, by root', 'Replayed on yesterday’s traffic first: 0.7 % of requests would have been dropped, none from pool monitors’ pattern.', 'Undo is kept.'),
  event(POWER[1], 'start', 'back', 'Started after a power cut', 'The frequency remembered 9 minutes before the cut (−1073.118 ppm) was used. Within 1 ms after 11 s.', 'First answer served after 11 s.'),
  event(POWER[0], 'stop', 'power cut, 22 min', 'Power was lost for 22 minutes', 'No clean stop was recorded. The archive is complete up to 03:11:50.', '', POWER[1]),
  event(ago(4.6), 'config', 'source added', 'Added ptb.time.example', 'By root.', ''),
  event(ago(9.2), 'start', 'upgrade', 'Upgraded and restarted, 0.8 s without answers', 'Package upgrade. Settings and history were kept.', ''),
  event(ago(23.4), 'stop', 'new cable', 'Stopped by root for 2 hours', 'Clean stop.', '', ago(23.3)),
  event(ago(141), 'stop', 'power supply failed', 'Off for 2.4 days', 'No clean stop was recorded.', '', ago(138.6)),
].map((e, i, all) => ({ serial: all.length - i, ...e }));

export const CLIENTS = [
  ['203.0.113.214', 48.1, .999, 'limited', .0006, 'Asks without pause.'], ['198.51.100.0/24', 22.4, 0, 'answer', 64, 'Many devices behind one address range.'],
  ['2001:db8:4:100::/56', 14.9, 0, 'answer', 1024, ''], ['192.0.2.61', 11.7, .86, 'limited', 1, 'Asks every second.'], ['203.0.113.9', 8.1, 0, 'answer', 16, 'Many devices behind one address (NAT).'],
  ['198.51.100.77', 6.3, 0, 'answer', 64, ''], ['2001:db8:8:20::/56', 5.2, 0, 'answer', 64, ''], ['192.0.2.200', 4.8, .4, 'kod', 2, 'Told to slow down, does not listen.'],
  ['198.51.100.140', 3.9, 0, 'answer', 32, ''], ['203.0.113.61', 3.1, 0, 'answer', 64, ''], ['2001:db8:77::/56', 2.6, 0, 'answer', 128, ''], ['192.0.2.19', 2.2, 0, 'answer', 64, ''],
];
export const INTERVALS = [['under 2 s', .4], ['2–15 s', 1.9], ['16 s', 4.2], ['32 s', 6.1], ['64 s', 27.4], ['128 s', 8.8], ['256 s', 7.2], ['512 s', 8.5], ['17 min', 21.9], ['34 min', 5.7], ['1–24 h', 7.9]];
export const VERSIONS = [['v4', 71.3], ['v3', 25.9], ['v2, v1', 1.1], ['v5 draft', .1], ['not NTP', 1.6]];

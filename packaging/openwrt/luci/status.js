'use strict';
'require view';
'require fs';
'require poll';

// Timeball's status in LuCI. It asks the daemon through the command line, which answers in JSON; nothing is stored here.

/** A time in the unit that suits it. */
function span(seconds) {
	if (seconds === null || !isFinite(seconds)) return '–';
	const size = Math.abs(seconds);
	const [scale, unit] = size < 1e-6 ? [1e9, 'ns'] : size < 1e-3 ? [1e6, 'µs'] : size < 1 ? [1e3, 'ms'] : [1, 's'];
	return '%s %s'.format(Number((seconds * scale).toPrecision(3)), unit);
}

const STATES = {
	selected: _('selected'),
	combined: _('combined'),
	selectable: _('good, not needed'),
	falseticker: _('falseticker'),
	jittery: _('too jittery'),
	unselectable: _('not usable')
};

function row(name, value) {
	return E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left', 'width': '33%' }, [ name ]),
		E('td', { 'class': 'td left' }, [ value ])
	]);
}

function table(head, rows, none) {
	const lines = rows.length ? rows : [ [ E('em', {}, [ none ]) ] ];
	return E('table', { 'class': 'table' }, [
		E('tr', { 'class': 'tr table-titles' }, head.map(title => E('th', { 'class': 'th' }, [ title ]))),
		...lines.map(cells => E('tr', { 'class': 'tr' }, cells.map(cell => E('td', { 'class': 'td' }, [ cell ]))))
	]);
}

function reach(bits) {
	const last = (bits & 255).toString(2).padStart(8, '0').replace(/1/g, '●').replace(/0/g, '○');
	return E('span', { 'title': _('The last eight requests, the newest at the right: ● answered, ○ not') }, [ last ]);
}

function content(status) {
	if (status.error)
		return [ E('div', { 'class': 'alert-message warning' }, [ status.error ]) ];
	const clock = status.tracking || {}, served = status.serverstats || {};
	const frequency = clock.frequency_ppm;
	return [
		E('h3', {}, [ status.synchronised ? _('The clock is synchronised') : _('The clock is not synchronised') ]),
		status.reason ? E('p', {}, [ status.reason ]) : '',
		E('table', { 'class': 'table' }, [
			row(_('Follows'), clock.name ? '%s, %s %d'.format(clock.name, _('stratum'), clock.stratum) : '–'),
			row(_('Error'), status.synchronised ? '%s %s'.format(_('at most'), span(status.error_bound_s)) : '–'),
			row(_('Still correcting'), span(clock.correction_s)),
			row(_('Oscillator'), isFinite(frequency)
				? '%s ppm %s'.format(Math.abs(frequency).toFixed(3), frequency < 0 ? _('slow, compensated') : _('fast, compensated')) : '–'),
			row(_('Requests answered'), String(served.ntp_hits ?? '–')),
			row(_('Requests dropped'), String(served.ntp_drops ?? '–'))
		]),
		E('h3', {}, [ _('Sources') ]),
		table([ _('Name'), _('State'), _('Stratum'), _('Reach'), _('Offset'), _('Error') ], (status.sources || []).map(source => [
			source.name === source.address ? source.name : '%s (%s)'.format(source.name, source.address),
			STATES[source.state] || source.state,
			String(source.stratum),
			reach(source.reach),
			span(source.measured_offset_s),
			'± ' + span(source.error_s)
		]), _('There are none yet.'))
	];
}

function ask() {
	return fs.exec('/usr/bin/timeball', [ '--json' ]).then(result => {
		// An exit status of one only says that the clock is not synchronised.
		try { return JSON.parse(result.stdout); }
		catch (e) { return { error: (result.stderr || '').trim() || _('Timeball is not running. "timeball setup" starts it.') }; }
	}, error => ({ error: error.message }));
}

return view.extend({
	load: ask,

	render: function(status) {
		const body = E('div', { 'class': 'cbi-section', 'aria-live': 'polite' }, content(status));
		poll.add(() => ask().then(next => body.replaceChildren(...content(next).filter(node => node !== ''))), 10);
		return E('div', { 'class': 'cbi-map' }, [ E('h2', {}, [ 'Timeball' ]), body ]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});

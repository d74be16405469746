/* Events on the time axis, in words where there is room. */

const RANK = { alarm: 0, stop: 1, step: 1, source: 2, start: 3, config: 3, client: 3, pool: 4 };

/** `cls` "far" stands on the axis of the wide ribbons instead of that of the graphs. */
function lane(cls = '') {
  const root = el('div', { class: 'lane ' + cls, role: 'group', 'aria-label': 'Events in this range' });
  let pill = null, width = 0, observer;
  const draw = () => {
    width = root.clientWidth;
    root.replaceChildren(el('span', { class: 'now', 'aria-hidden': 'true' }, 'Events'));
    const [a, b] = span(), list = M.events.filter(e => e.at >= a && e.at < b);
    for (const c of arrange(list, a, b, width)) {
      const text = c.text ? c.label : c.all.length > 1 && width >= 560 ? String(c.all.length) : '';
      const button = el('button', { class: 'ev' + (c.flip ? ' end' : ''), type: 'button', 'aria-label': c.all.map(e => clockOf(e.at) + ', ' + e.what).join('. '), onclick: ev => eventPop(c.all, ev.currentTarget) }, mark(c.e.kind), text);
      if (c.flip) button.style.right = (width - c.x - 5) + 'px';
      else button.style.left = (c.x - 5) + 'px';
      button.style.top = c.row * 1.35 + 'rem';
      const stem = el('i', { class: 'stem' });
      stem.style.left = c.x + 'px';
      stem.style.top = c.row * 1.35 + 1.15 + 'rem';
      root.prepend(stem);
      root.append(button);
    }
    if (!list.length && M.frame) root.append(el('span', { class: 'ev quiet' }, 'Nothing happened in this range.'));
    pill = el('span', { class: 'cur', hidden: true });
    root.append(pill);
    follow(cursorAt);
  };
  const follow = t => {
    if (!pill) return;
    pill.hidden = t === null;
    if (t === null) return;
    const [a, b] = span();
    pill.textContent = moment(t);
    pill.style.left = (t - a) / (b - a) * width + 'px';
  };
  widget({
    start() {
      draw();
      followers.add(follow);
      observer = new ResizeObserver(() => { if (Math.abs(root.clientWidth - width) > 2) draw(); });
      observer.observe(root);
    },
    update: draw,
    stop() { followers.delete(follow); observer.disconnect(); },
  });
  return root;
}

/** Puts events into two rows: near ones merge, the most important get their words first, and no words hide another mark. */
function arrange(list, a, b, width) {
  const em = rem() * .8571, groups = [];
  for (const e of list) {
    const x = (e.at - a) / (b - a) * (width - 4), last = groups.at(-1);
    if (last && x - last.x < 11) {
      last.all.push(e);
      if (RANK[e.kind] < RANK[last.e.kind]) last.e = e;
    } else groups.push({ x, e, all: [e], row: groups.length % 2, text: false, flip: false });
  }
  const texts = [], done = [];
  const clear = (row, p, q) => !texts.some(t => t[0] === row && p < t[2] && q > t[1]) && !done.some(o => o.row === row && o.x > p - 9 && o.x < q + 9);
  // Words may never leave a later mark without a free row.
  const fits = (c, row, p, q) => clear(row, p, q) && groups.every(o => o === c || done.includes(o) || o.x < p - 9 || o.x > q + 9 || clear(1 - row, o.x - 8, o.x + 8));
  for (const c of groups.slice().sort((p, q) => RANK[p.e.kind] - RANK[q.e.kind] || p.x - q.x)) {
    c.label = c.e.short + (c.all.length > 1 ? ' +' + (c.all.length - 1) : '');
    const long = c.label.length * em * .55 + em * 1.6, other = 1 - c.row;
    const tries = [[c.row, c.x - 6, c.x + long, false], [other, c.x - 6, c.x + long, false], [c.row, c.x - long, c.x + 6, true], [other, c.x - long, c.x + 6, true]];
    if (width >= 560) {
      for (const [row, p, q, flip] of tries) {
        if (p <= -8 || q > width || !fits(c, row, p, q)) continue;
        Object.assign(c, { text: true, flip, row });
        texts.push([row, p, q, c]);
        break;
      }
    }
    if (!c.text && !clear(c.row, c.x - 6, c.x + 8) && clear(other, c.x - 6, c.x + 8)) c.row = other;
    done.push(c);
  }
  // Where a mark found no free row after all, the words that it would cut are left out.
  for (const c of groups.filter(g => g.text)) {
    const t = texts.find(q => q[3] === c);
    if (groups.some(o => o !== c && o.row === t[0] && o.x > t[1] - 4 && o.x < t[2] + 4)) { c.text = false; c.flip = false; }
  }
  return groups;
}

/* Timeball's page. SPDX-License-Identifier: MIT OR Apache-2.0
   The parts of this folder, in the order of their names, are served as one file, /app.js: elements, words, model, graphs,
   what stands on the time axis, single pictures, pages, shell.

   Everything that comes from outside is a text node: nothing here writes markup, styles go through the object model, and the
   content security policy forbids the rest. */
'use strict';

const $ = id => document.getElementById(id);

/** Appends texts and nodes, flattening lists and leaving out what is absent. */
function put(parent, children) {
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    parent.append(child.nodeType ? child : String(child));
  }
  return parent;
}

/** Sets attributes; `onclick` and the like become listeners, null and false leave the attribute out. */
function attrs(element, list) {
  for (const [key, value] of Object.entries(list || {})) {
    if (value === null || value === undefined) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key.startsWith('aria-')) element.setAttribute(key, String(value));
    else if (value !== false) element.setAttribute(key, value === true ? '' : String(value));
  }
  return element;
}

const el = (tag, list, ...children) => put(attrs(document.createElement(tag), list), children);
const sv = (tag, list, ...children) => put(attrs(document.createElementNS('http://www.w3.org/2000/svg', tag), list), children);

/** A colour or length of the style sheet, as it is now. */
const token = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
/** Pixels left of every graph, the same for all, so that they share one time axis. */
const gutter = () => parseFloat(token('gut')) * rem();
const family = () => getComputedStyle(document.body).fontFamily;

/** Says something to a screen reader. */
const say = text => { $('say').textContent = text; };

/* What is on the page and follows the data. A widget has start(), update() when the range or the data changed, tick() with each
   new status, stop(). All are optional. */
let widgets = [];
const widget = w => { widgets.push(w); return w; };

/** An element whose text follows the status. */
function live(tag, list, text) {
  const e = el(tag, list);
  const draw = () => { const now = text(); if (e.textContent !== now) e.textContent = now; };
  draw();
  widget({ tick: draw });
  return e;
}

/** An element whose children follow the status; they are made anew only when `key` changes, so that focus stays. */
function region(tag, list, key, draw) {
  const e = el(tag, list);
  let old;
  const look = () => {
    const now = JSON.stringify(key());
    if (now === old) return;
    old = now;
    e.replaceChildren();
    put(e, [draw()].flat());
  };
  look();
  widget({ tick: look, update: look });
  return e;
}

/** An element that is drawn anew when its width, the range or the data changes. */
function picture(draw, cls) {
  const e = el('div', { class: cls });
  let width = 0, observer;
  const again = () => { width = e.clientWidth; if (width) draw(e); };
  widget({
    start() {
      again();
      observer = new ResizeObserver(() => { if (Math.abs(e.clientWidth - width) > 2) again(); });
      observer.observe(e);
    },
    update: again,
    stop() { observer.disconnect(); },
  });
  return e;
}

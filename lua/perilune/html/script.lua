--- The script of a report: values of all curves under the pointer, and tables that sort. The page says everything
-- without it too.
return [[
'use strict';
(function () {
  function text(v, unit) {
    if (v === null || v === undefined) return '\u2013';
    if (unit === 'percent') return (100 * v).toFixed(2) + ' %';
    return Number.isInteger(v) && Math.abs(v) < 1e15 ? v.toLocaleString('en') : String(+v.toPrecision(4));
  }
  function hover(figure) {
    var data = JSON.parse(figure.querySelector('script').textContent), svg = figure.querySelector('svg');
    var tip = document.createElement('div'), line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    var p = data.plot, all = [];
    tip.className = 'tip';
    figure.appendChild(tip);
    line.setAttribute('class', 's-muted');
    line.setAttribute('y1', p.y);
    line.setAttribute('y2', p.y + p.h);
    line.style.display = 'none';
    svg.appendChild(line);
    data.series.forEach(function (s) { s.x.forEach(function (x) { if (x !== null) all.push(x); }); });
    all = Array.from(new Set(all)).sort(function (a, b) { return a - b; });
    function at(x) {
      var share = data.log ? Math.log(x / data.low) / Math.log(data.high / data.low) :
        (x - data.low) / (data.high - data.low);
      return p.x + p.w * share;
    }
    function show(event) {
      var box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      var px = (event.clientX - box.left) * scale, near = null, best = Infinity;
      all.forEach(function (x) { var d = Math.abs(at(x) - px); if (d < best) { best = d; near = x; } });
      if (near === null) return;
      line.setAttribute('x1', at(near));
      line.setAttribute('x2', at(near));
      line.style.display = '';
      tip.textContent = '';
      var head = document.createElement('b');
      head.textContent = (data.label || 'x') + ' ' + text(near);
      tip.appendChild(head);
      data.series.forEach(function (s) {
        var i = s.x.indexOf(near);
        if (i < 0) return;
        var row = document.createElement('div'), key = document.createElement('span');
        key.className = 'key k-' + s.colour;
        row.appendChild(key);
        row.appendChild(document.createTextNode((s.name ? s.name + ': ' : '') + text(s.y[i], data.unit) +
          (s.low ? ' (' + text(s.low[i], data.unit) + ' to ' + text(s.high[i], data.unit) + ')' : '')));
        tip.appendChild(row);
      });
      tip.style.display = 'block';
      var left = at(near) / scale + 12;
      if (left + tip.offsetWidth > box.width) left = Math.max(0, at(near) / scale - tip.offsetWidth - 12);
      tip.style.left = left + 'px';
      tip.style.top = (p.y / scale + 4) + 'px';
    }
    function hide() { tip.style.display = 'none'; line.style.display = 'none'; }
    svg.addEventListener('pointermove', show);
    svg.addEventListener('pointerdown', show);
    svg.addEventListener('pointerleave', hide);
  }
  function sortable(table) {
    table.querySelectorAll('thead th').forEach(function (th, column) {
      var button = document.createElement('button');
      button.type = 'button';
      while (th.firstChild) button.appendChild(th.firstChild);
      th.appendChild(button);
      button.addEventListener('click', function () {
        var up = th.getAttribute('aria-sort') !== 'ascending', body = table.tBodies[0];
        table.querySelectorAll('thead th').forEach(function (other) { other.removeAttribute('aria-sort'); });
        th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        var rows = Array.from(body.rows).map(function (row, i) {
          var cell = row.cells[column], v = cell.getAttribute('data-v');
          return { row: row, i: i, v: v === null ? cell.textContent : v === '' ? null : Number(v) };
        });
        rows.sort(function (a, b) {
          if (a.v === null || b.v === null) return a.v === b.v ? a.i - b.i : a.v === null ? 1 : -1;
          var d = typeof a.v === 'number' && typeof b.v === 'number' ? a.v - b.v :
            String(a.v).localeCompare(String(b.v));
          return (up ? d : -d) || a.i - b.i;
        });
        rows.forEach(function (r) { body.appendChild(r.row); });
      });
    });
  }
  document.querySelectorAll('figure.chart').forEach(hover);
  document.querySelectorAll('table.sort').forEach(sortable);
})();
]]

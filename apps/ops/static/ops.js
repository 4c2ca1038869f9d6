// Keeps the page as it is now: htmx asks for tables, this for the charts. Nothing is asked while the
// tab is hidden. What comes is morphed into what is there, so that focus, selection and scrolled
// places stay.

const asking = document.getElementById("asking");

function complain(status) {
  asking.textContent =
    status === 401 ? "You are not signed in any more. The figures below are old: load the page again to sign in."
    : status === 404 ? "This app is not mounted any more. The figures below are old."
    : status === 403 ? "You are no operator any more. The figures below are old."
    : "The host does not answer. The figures below are old; they come back by themselves.";
  asking.hidden = false;
  document.body.classList.add("old-figures");
}

function recovered() {
  asking.hidden = true;
  document.body.classList.remove("old-figures");
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const isPolled = event.detail.elt.hasAttribute("hx-trigger");
  if (isPolled && document.hidden) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // A sign-in page that was led to does not belong into a table.
  if (event.detail.xhr.responseURL && new URL(event.detail.xhr.responseURL).pathname !== event.detail.pathInfo.requestPath.split("?")[0]) {
    event.detail.shouldSwap = false;
    complain(401);
  }
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.successful && event.detail.shouldSwap !== false) recovered();
});
document.addEventListener("htmx:responseError", (event) => complain(event.detail.xhr.status));
document.addEventListener("htmx:sendError", () => complain(0));
document.addEventListener("htmx:timeout", () => complain(0));

// A stack that was asked for is brought into view, and no further.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "stack") event.detail.target.scrollIntoView({ block: "nearest" });
});

// The charts.

const EVERY = 5_000; // milliseconds
const SERIES = 8; // colours; the dashes tell apart what has the same one
const DASHES = [[], [6, 3], [2, 3]];
const HEIGHT = 150;
const SECONDS = 15 * 60;
const YOUNG = 3 * 60; // seconds that a chart shows at least, of a host that has served for less
const LEAST = { rate: 1, percent: 0.1, seconds: 0.01, count: 4 }; // a chart of nearly nothing looks like it

const FORMATS = {
  rate: (value) => (value >= 10 || !value ? value.toFixed(0) : value.toFixed(1)),
  percent: (value) => `${(value * 100).toFixed(value && value < 0.095 ? 1 : 0)}%`,
  seconds: (value) => (!value ? "0" : value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(1)} s`),
  count: (value) => value.toFixed(0),
};

// A value between two gaps is no line: it gets a point.
function lonely(plot, index, show, gaps) {
  const values = plot.data[index];
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

// As the table calls an app.
function titleOf(name) {
  return document.getElementById(`app-${name}`)?.textContent ?? name;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

class Charts {
  constructor(place) {
    this.place = place;
    this.app = place.dataset.app;
    this.figures = [...place.querySelectorAll("figure")];
    this.plots = new Map();
    this.names = [];
    this.moment = place.querySelector("[data-moment]");
    for (const figure of this.figures) figure.hidden = false;
  }

  async refresh() {
    if (document.hidden) return;
    let history;
    try {
      const asked = new URLSearchParams({ app: this.app, since: this.history?.at.at(-1) ?? 0 });
      const answer = await fetch(`${this.place.dataset.history}?${asked}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) return complain(answer.status);
      history = await answer.json();
    } catch {
      return complain(0);
    }
    this.show(this.history ? this.extended(history) : history);
  }

  // What is known, and what has come; what is too old is dropped.
  extended(news) {
    const known = this.history;
    const at = [...known.at, ...news.at];
    const first = at.findIndex((moment) => moment >= at.at(-1) - SECONDS);
    const values = (history, name, figure) => history.apps[name]?.[figure] ?? Array(history.at.length).fill(null);
    const apps = {};
    for (const name of new Set([...Object.keys(known.apps), ...Object.keys(news.apps)])) {
      apps[name] = {};
      for (const { dataset } of this.figures) {
        apps[name][dataset.figure] = [...values(known, name, dataset.figure), ...values(news, name, dataset.figure)].slice(first);
      }
    }
    return { at: at.slice(first), apps };
  }

  show(history) {
    const waiting = this.place.querySelector("[data-waiting]");
    const names = Object.keys(history.apps).filter((name) => !this.app || name === this.app).sort();
    waiting.hidden = history.at.length > 1 && names.length > 0;
    if (!waiting.hidden) return;
    this.history = history;
    if (names.join() !== this.names.join()) {
      this.names = names;
      this.redraw();
    }
    for (const figure of this.figures) {
      const plot = this.plots.get(figure);
      plot.setData(this.data(figure));
      this.tell(figure, plot, FORMATS[figure.dataset.unit]);
    }
    this.legend();
  }

  data(figure) {
    return [this.history.at, ...this.names.map((name) => this.history.apps[name][figure.dataset.figure])];
  }

  redraw() {
    if (!this.history) return;
    for (const plot of this.plots.values()) plot.destroy();
    for (const figure of this.figures) {
      const place = figure.querySelector(".plot");
      this.plots.set(figure, new uPlot(this.options(figure, place), this.data(figure), place));
    }
  }

  // Apps that have done anything at all; the others lie on the zero line. Written anew only where
  // that has changed: the pointer may be on one.
  legend() {
    const list = this.place.querySelector("[data-legend]");
    if (!list) return;
    const busy = this.names.filter((name) => Object.values(this.history.apps[name]).some((values) => values.some(Boolean)));
    const told = busy.map(titleOf).join();
    if (list.dataset.told === told) return;
    list.dataset.told = told;
    list.hidden = false;
    list.replaceChildren(
      ...busy.map((name) => {
        const index = this.names.indexOf(name);
        const item = document.createElement("li");
        item.className = `series-${index % SERIES} dash-${Math.floor(index / SERIES) % DASHES.length}`;
        item.textContent = titleOf(name);
        item.addEventListener("pointerenter", () => this.single(index + 1));
        item.addEventListener("pointerleave", () => this.single(null));
        return item;
      }),
    );
  }

  // One app's lines stand out in all charts.
  single(series) {
    for (const plot of this.plots.values()) plot.setSeries(series, { focus: series !== null });
  }

  options(figure, place) {
    const format = FORMATS[figure.dataset.unit];
    const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const { unit } = figure.dataset;
    const isWhole = unit === "count";
    return {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.25 },
      cursor: { sync: { key: "charts", setSeries: true }, focus: { prox: 12 }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { range: (plot, first, last) => [Math.max(last - SECONDS, Math.min(first, last - YOUNG)), last] },
        y: { range: (plot, low, high) => [0, Math.max(high || 0, LEAST[unit]) * 1.1] },
      },
      axes: [
        { ...axis, size: 26, space: 45, incrs: [60, 180, 300], values: "{HH}:{mm}" },
        { ...axis, size: 58, space: 32, values: (plot, marks) => marks.map((mark) => (isWhole && mark % 1 ? "" : format(mark))) },
      ],
      series: [
        {},
        ...this.names.map((name, index) => ({
          label: titleOf(name),
          stroke: css(`--series-${index % SERIES}`),
          width: 2,
          dash: DASHES[Math.floor(index / SERIES) % DASHES.length],
          points: { show: true, size: 4, fill: css(`--series-${index % SERIES}`), filter: lonely },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(plot) => this.tell(figure, plot, format)] },
    };
  }

  // What is under the cursor, or else the newest; greatest first.
  tell(figure, plot, format) {
    const at = plot.cursor.left >= 0 ? plot.cursor.idx : null;
    const told = figure.querySelector("output");
    const values = this.names.map((name, index) => [titleOf(name), plot.data[index + 1][at ?? plot.data[0].length - 1]]).filter(([, value]) => value != null && value > 0);
    values.sort((one, other) => other[1] - one[1]);
    this.moment.textContent = at == null ? "" : `at ${new Date(plot.data[0][at] * 1000).toLocaleTimeString([], { hourCycle: "h23" })}`;
    told.textContent = values.slice(0, 3).map(([name, value]) => (this.app ? format(value) : `${name} ${format(value)}`)).join(" · ") || "–";
  }
}

const place = document.querySelector("[data-history]");
if (place) {
  const charts = new Charts(place);
  charts.refresh();
  setInterval(() => charts.refresh(), EVERY);
  document.addEventListener("visibilitychange", () => charts.refresh());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.redraw());
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    for (const [figure, plot] of charts.plots) plot.setSize({ width: figure.querySelector(".plot").clientWidth, height: HEIGHT });
  }).observe(place);
}

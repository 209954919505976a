"use strict";
(() => {
  const { visible, segments, hashOf, linkOf, baseOf, change, passes, typesOf } = ReportLogic;
  const PAGE = 50;
  const STATES = { good: "good", bad: "bad", part: "in part", none: "not scored" };
  const data = JSON.parse(document.getElementById("data").textContent);
  const { models, benchmarks, pictures, lines } = data;
  const items = data.items.map(([benchmark, world, link, question, types, picture, answers]) => ({
    benchmark, world, link, question, types, picture,
    answers: Object.fromEntries(
      answers.map(([model, text, state, told, value, marks, replies, prompt]) =>
        [model, { text, state, told, value, marks, replies, prompt }]),
    ),
  }));
  const places = new Map(items.map((item) => [item.link, item]));
  const find = (id) => document.getElementById(id);
  const fields = {
    benchmark: find("benchmark"), type: find("type"), change: find("change"),
    verdict: find("verdict"), model: find("model"), search: find("search"),
  };
  let shown = items;
  let current = null;
  let first = 0;

  function element(name, text, attributes = {}, children = []) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function options(select, pairs) {
    const before = select.value;
    select.replaceChildren(...pairs.map(([value, text]) => element("option", text, { value })));
    if (pairs.some(([value]) => value === before)) select.value = before;
  }

  function offerTypes() {
    const types = typesOf(items, fields.benchmark.value);
    options(fields.type, [["", "all"], ...types.map((type) => [type, visible(type)])]);
  }

  function offer() {
    options(fields.benchmark, [["", "all"], ...Object.entries(benchmarks)]);
    const trained = models.map((model, place) => [place, model]).filter(([, one]) => !one.base);
    options(fields.change, [
      ["", "any"],
      ...trained.map(([place, one]) => [`fixed:${place}`, `fixed by ${visible(one.name)}`]),
      ...trained.map(([place, one]) => [`broken:${place}`, `broken by ${visible(one.name)}`]),
    ]);
    options(fields.verdict, [["", "any"], ...Object.entries(STATES)]);
    options(fields.model, [
      ["", "any model"], ...models.map((one, place) => [String(place), visible(one.name)]),
    ]);
    offerTypes();
  }

  function filter() {
    const asked = Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, field.value.trim()]),
    );
    shown = items.filter((item) => passes(item, asked, models));
    first = 0;
    drawList();
  }

  function drawList() {
    const last = Math.min(first + PAGE, shown.length);
    const count = shown.length.toLocaleString("en");
    find("count").textContent = shown.length
      ? `${count} of ${items.length.toLocaleString("en")} questions, ${first + 1} to ${last} shown`
      : "No question passes. Take a filter back.";
    find("list").replaceChildren(...shown.slice(first, last).map(entry));
    find("before").disabled = first === 0;
    find("after").disabled = last >= shown.length;
  }

  function entry(item) {
    const states = Object.entries(item.answers).map(([place, one]) => badge(one, models[place].name));
    const link = element("a", "", { href: hashOf(item) }, [
      element("span", "", { class: "states" }, states),
      element("span", `${benchmarks[item.benchmark]} ${visible(item.link.split("/").slice(1).join("/"))}`,
        { class: "id" }),
      element("bdi", visible(item.question.slice(0, 120))),
    ]);
    if (item === current) link.setAttribute("aria-current", "true");
    return element("li", "", {}, [link]);
  }

  function badge(answer, name) {
    const sign = { good: "✓", bad: "✗", part: "◐", none: "?" }[answer.state];
    const told = `${visible(name)}: ${STATES[answer.state]}`;
    return element("span", "", { class: `badge ${answer.state}`, title: told }, [
      element("span", sign, { "aria-hidden": "true" }),
      element("span", `${told}; `, { class: "unseen" }),
    ]);
  }

  function text(name, value, attributes = {}) {
    return element(name, visible(value), { dir: "auto", class: "text", ...attributes });
  }

  function folded(title, parts) {
    return element("details", "", {}, [element("summary", title), ...parts]);
  }

  function answered(item, place, answer) {
    const said = element("p", "", { dir: "auto", class: "text answer", tabindex: "0" });
    for (const part of segments(answer.text, answer.marks)) {
      said.append(part.marked ? element("mark", visible(part.text)) : visible(part.text));
    }
    if (!answer.text.trim()) said.append(element("em", "an empty answer"));
    const changed = change(item, place, models);
    const verdict = `${STATES[answer.state]}${answer.told ? `: ${visible(answer.told)}` : ""}`;
    const parts = [
      element("h4", visible(models[place].name)),
      said,
      element("p", "", { class: `verdict ${answer.state}` }, [
        verdict, ...(changed ? [element("strong", ` ${changed}`)] : []),
      ]),
    ];
    if (answer.replies.length) {
      parts.push(folded("What the judge said", answer.replies.map((one) => text("pre", one, { tabindex: "0" }))));
    }
    if (answer.prompt) {
      const prompt = answer.prompt.map((line) => lines[line]).join("\n");
      parts.push(folded("What the judge was asked", [text("pre", prompt, { tabindex: "0" })]));
    }
    return element("section", "", { class: "model" }, parts);
  }

  function picture(item) {
    if (item.picture === null) return element("p", "The picture is not here.", { class: "none" });
    const image = element("img", "", { src: pictures[item.picture], alt: "The picture asked about" });
    if (!data.full) return image;
    const href = `${encodeURIComponent(data.full)}/${item.picture}.webp`;
    return element("a", "", { href }, [image]);
  }

  function drawItem() {
    const item = current;
    if (!item) return;
    const order = Object.keys(item.answers).map(Number);
    const base = baseOf(item, models);
    order.sort((one, other) => (other === base) - (one === base) || one - other);
    const head = [benchmarks[item.benchmark], ...item.types, item.link].map(visible).join(" · ");
    find("item").replaceChildren(
      element("p", head, { class: "id" }),
      text("h3", item.question, { id: "question", tabindex: "-1" }),
      picture(item),
      element("div", "", { class: "models" }, order.map((one) => answered(item, one, item.answers[one]))),
    );
    find("item").hidden = false;
  }

  /* Show the item that the address names; the list turns to its page. */
  function follow() {
    const link = linkOf(location.hash);
    if (link === null) return;
    const item = places.get(link);
    if (!item) {
      find("item").replaceChildren(element("p", `There is no question ${visible(link)} here.`));
      find("item").hidden = false;
      return;
    }
    current = item;
    const place = shown.indexOf(item);
    if (place >= 0) first = Math.floor(place / PAGE) * PAGE;
    const inList = find("list").contains(document.activeElement);
    drawList();
    drawItem();
    const link_ = find("list").querySelector("[aria-current]");
    if (link_ && inList) link_.focus();
    if (!inList) find("items").scrollIntoView();
  }

  function step(by) {
    if (!shown.length) return;
    const place = shown.indexOf(current);
    const next = place < 0 ? 0 : Math.min(Math.max(place + by, 0), shown.length - 1);
    location.hash = hashOf(shown[next]);
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target.matches("input, select, textarea, .scroll, .text")) return;
    const inItems = find("items").contains(target);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ...(inItems ? { ArrowDown: 1, ArrowUp: -1 } : {}) };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key === "/") fields.search.focus();
    else if (event.key === "f") fields.benchmark.focus();
    else return;
    event.preventDefault();
  }

  function turn(by) {
    first = Math.max(0, first + by * PAGE);
    drawList();
    find("count").scrollIntoView({ block: "nearest" });
  }

  offer();
  for (const name of ["benchmark", "type", "change", "verdict", "model"]) {
    fields[name].addEventListener("change", () => {
      if (name === "benchmark") offerTypes();
      filter();
    });
  }
  fields.search.addEventListener("input", filter);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("filters").addEventListener("reset", () => setTimeout(() => { offerTypes(); filter(); }));
  find("before").addEventListener("click", () => turn(-1));
  find("after").addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", pressed);
  find("browser").hidden = false;
  drawList();
  follow();
})();

"use strict";
/* What the item browser decides, without a page: what an item is filtered by, what its address is,
   and how text is shown. */
const ReportLogic = (() => {
  const PREFIX = "#item/";
  const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000d\u000e-\u001f\u007f]/g;
  const UNSEEN = /[\u0080-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

  /* Text in which what would not be seen, or would turn its surroundings round, is named. */
  function visible(text) {
    const named = (found) =>
      `[U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
    const picture = (found) =>
      found === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + found.charCodeAt(0));
    return text.replace(CONTROLS, picture).replace(UNSEEN, named);
  }

  /* Parts of a text in their order, each marked or not; marks are pairs of begin and end. */
  function segments(text, marks) {
    const parts = [];
    let done = 0;
    for (const [begin, end] of marks) {
      if (begin < done || end > text.length) continue;
      if (begin > done) parts.push({ text: text.slice(done, begin), marked: false });
      parts.push({ text: text.slice(begin, end), marked: true });
      done = end;
    }
    if (done < text.length) parts.push({ text: text.slice(done), marked: false });
    return parts;
  }

  function hashOf(item) {
    return PREFIX + item.link.split("/").map(encodeURIComponent).join("/");
  }

  /* The link in an address; null where the address names no item. */
  function linkOf(hash) {
    if (!hash.startsWith(PREFIX)) return null;
    try {
      return hash.slice(PREFIX.length).split("/").map(decodeURIComponent).join("/");
    } catch {
      return null;
    }
  }

  function baseOf(item, models) {
    return models.findIndex((model) => model.base && model.world === item.world);
  }

  /* "fixed" or "broken" where a model's answer counts for more or less than the base model's. */
  function change(item, model, models) {
    const before = item.answers[baseOf(item, models)];
    const after = item.answers[model];
    if (!before || !after || before.value === null || after.value === null) return "";
    if (after.value > before.value) return "fixed";
    return after.value < before.value ? "broken" : "";
  }

  function words(item) {
    item.words ??= [item.question, item.link, ...Object.values(item.answers).map((one) => one.text)]
      .join("\n")
      .toLowerCase();
    return item.words;
  }

  /* Whether an item passes: benchmark, type, verdict and model as chosen, change as "fixed:2". */
  function passes(item, filter, models) {
    if (filter.benchmark && item.benchmark !== filter.benchmark) return false;
    if (filter.type && !item.types.includes(filter.type)) return false;
    if (filter.change) {
      const [what, model] = filter.change.split(":");
      if (change(item, Number(model), models) !== what) return false;
    }
    if (filter.verdict) {
      const asked = filter.model === "" ? Object.values(item.answers) : [item.answers[filter.model]];
      if (!asked.some((one) => one && one.state === filter.verdict)) return false;
    }
    return !filter.search || words(item).includes(filter.search.toLowerCase());
  }

  /* Types of the items of a benchmark, or of all, in order of appearance. */
  function typesOf(items, benchmark) {
    const chosen = items.filter((item) => !benchmark || item.benchmark === benchmark);
    return [...new Set(chosen.flatMap((item) => item.types))];
  }

  return { visible, segments, hashOf, linkOf, baseOf, change, passes, typesOf };
})();
if (typeof module !== "undefined") module.exports = ReportLogic;

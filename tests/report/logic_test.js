"use strict";
// Runs in node, without a page: node --test logic_test.js
const test = require("node:test");
const assert = require("node:assert");
const logic = require("../../harness/report/page/logic.js");

const models = [
  { name: "base", base: true, world: 0 },
  { name: "dpo", base: false, world: 0 },
];
const answer = (text, state, value) => ({ text, state, value });
const item = {
  benchmark: "amber", world: 0, link: "amber/17", question: "Is there a Dog?", types: ["existence"],
  answers: { 0: answer("Yes", "bad", 0), 1: answer("No", "good", 1) },
};
const all = { benchmark: "", type: "", change: "", verdict: "", model: "", search: "" };
const passes = (filter, one = item) => logic.passes(one, { ...all, ...filter }, models);

test("an item passes the filters that it meets, and no other", () => {
  assert.ok(passes({}));
  assert.ok(passes({ benchmark: "amber", type: "existence", change: "fixed:1" }));
  assert.ok(!passes({ benchmark: "mmhal" }));
  assert.ok(!passes({ type: "relation" }));
  assert.ok(!passes({ change: "broken:1" }));
});

test("a verdict is asked of one model or of any", () => {
  assert.ok(passes({ verdict: "bad" }));
  assert.ok(passes({ verdict: "bad", model: "0" }));
  assert.ok(!passes({ verdict: "bad", model: "1" }));
  assert.ok(!passes({ verdict: "part" }));
});

test("search finds question, answers and id, whatever their case", () => {
  for (const search of ["dog", "DOG", "no", "amber/17"]) assert.ok(passes({ search }), search);
  assert.ok(!passes({ search: "cat" }));
});

test("what has no value is neither fixed nor broken", () => {
  const unscored = { ...item, answers: { 0: answer("", "none", null), 1: item.answers[1] } };
  assert.equal(logic.change(unscored, 1, models), "");
  assert.equal(logic.change({ ...item, answers: { 1: item.answers[1] } }, 1, models), "");
});

test("another world has another base model", () => {
  const worlds = [...models, { base: true, world: 1 }, { base: false, world: 1 }];
  assert.equal(logic.baseOf({ ...item, world: 1 }, worlds), 2);
});

test("an address names an item, whatever signs its id has", () => {
  for (const link of ["amber/17", "mm_vet@world1/v1_0", "x/a b#%/ü?"]) {
    assert.equal(logic.linkOf(logic.hashOf({ link })), link);
  }
  assert.equal(logic.linkOf("#results"), null);
  assert.equal(logic.linkOf("#item/%E0%A4%A"), null);
});

test("marks cut a text into parts that join to the text", () => {
  const text = "Two dogs, a cup.";
  const parts = logic.segments(text, [[4, 8], [12, 15], [12, 99], [2, 5]]);
  assert.deepEqual(parts.filter((one) => one.marked).map((one) => one.text), ["dogs", "cup"]);
  assert.equal(parts.map((one) => one.text).join(""), text);
});

test("what would not be seen is named", () => {
  assert.equal(logic.visible("a\u0000b\u202ec\nd\te\u007f"), "a␀b[U+202E]c\nd\te␡");
  assert.equal(logic.visible("😀 <b>&"), "😀 <b>&");
  assert.equal(logic.visible("\ud800"), "[U+D800]");
});

test("types are those of the chosen benchmark", () => {
  const other = { ...item, benchmark: "mmhal", types: ["counting"] };
  assert.deepEqual(logic.typesOf([item, other], "mmhal"), ["counting"]);
  assert.deepEqual(logic.typesOf([item, other], ""), ["existence", "counting"]);
});

test("15,220 items are filtered in far less than a second", () => {
  const many = Array.from({ length: 15220 }, (_, place) => ({ ...item, link: `amber/${place}` }));
  const begun = performance.now();
  const found = many.filter((one) => passes({ search: "dog", change: "fixed:1" }, one));
  assert.equal(found.length, 15220);
  assert.ok(performance.now() - begun < 1000);
});

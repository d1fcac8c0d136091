/* Lists at the desk: how many rows are ticked, all of them at once, and single keys.

   The page works without. The script element says the words to show, and with data-keys that single keys are wanted:
   they are per account, off where there is no keyboard, and never taken from a box somebody types in. Ticks stay when
   a row's panel is opened beside the list. */
"use strict";

(function () {
  const told = document.currentScript.dataset;
  const table = document.querySelector(".queue");
  const rows = table ? Array.from(table.querySelectorAll("tbody tr")) : [];
  const bulk = document.querySelector("[data-bulk]");

  /* ---- Ticks ---- */

  const boxes = rows.map(function (row) { return row.querySelector(".tick input"); });
  const remembered = "ticks " + location.pathname;

  function count() {
    const ticked = boxes.filter(function (box) { return box.checked; });
    rows.forEach(function (row, at) { row.classList.toggle("ticked", boxes[at].checked); });
    const line = bulk.querySelector(".bulk-count");
    line.textContent = ticked.length ? line.dataset.count.replace("{count}", ticked.length) : line.dataset.none;
    all.checked = ticked.length === boxes.length;
  }

  /* For the next page of this list alone. Where storage is off, ticks last as long as the page. */
  function keep() {
    const names = boxes.filter(function (box) { return box.checked; }).map(function (box) { return box.name; });
    try { sessionStorage.setItem(remembered, names.join(" ")); } catch (error) { return; }
  }

  function kept() {
    try {
      const names = (sessionStorage.getItem(remembered) || "").split(" ");
      sessionStorage.removeItem(remembered);
      return names;
    } catch (error) { return []; }
  }

  let all = null;
  if (bulk && rows.length) {
    const line = bulk.querySelector(".bulk-count");
    line.dataset.none = line.textContent;
    line.setAttribute("role", "status");
    const label = document.createElement("label");
    label.className = "tick";
    label.innerHTML = '<input type="checkbox"><span class="unseen"></span>';
    label.lastChild.textContent = told.all;
    table.querySelector(".tick-all").appendChild(label);
    all = label.firstChild;
    all.addEventListener("change", function () {
      boxes.forEach(function (box) { box.checked = all.checked; });
      count();
    });
    const names = kept();
    boxes.forEach(function (box) {
      if (names.indexOf(box.name) >= 0) box.checked = true;
      box.addEventListener("change", count);
    });
    document.querySelectorAll("a.beside, .issue-panel a").forEach(function (link) { link.addEventListener("click", keep); });
    count();
  }

  /* ---- Keys ---- */

  if (!("keys" in told) || !matchMedia("(hover: hover) and (pointer: fine)").matches) return;

  const hint = document.getElementById("keys-hint"), list = document.getElementById("keys-list");
  if (hint) hint.hidden = false;
  let at = rows.findIndex(function (row) { return row.classList.contains("here"); });

  function go(step) {
    if (!rows.length) return;
    if (at >= 0) rows[at].classList.remove("at");
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[at].classList.add("at");
    visibleLink(rows[at]).focus();
  }

  function visibleLink(row) {
    return Array.from(row.querySelectorAll(".row-link")).find(function (link) { return link.offsetParent; });
  }

  document.addEventListener("keydown", function (event) {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (/^(input|select|textarea)$/i.test(target.tagName) && target.type !== "checkbox") return;
    const key = event.key.toLowerCase();
    if (key === "j") go(1);
    else if (key === "k") go(-1);
    else if (key === "x" && at >= 0) boxes[at].click();
    else if (key === "enter" && target.type === "checkbox" && at >= 0) visibleLink(rows[at]).click();
    else if (key === "/") {
      const box = document.getElementById("field-q");
      if (box) box.focus(); else location.href = told.search;
    } else if (key === "?" && list) { list.open = !list.open; list.querySelector("summary").focus(); }
    else return;
    event.preventDefault();
  });
})();

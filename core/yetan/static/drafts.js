/* Drafts: what somebody typed into a long form at the desk and did not send is offered when they come back to it.

   Pages work without. A form takes part that has data-draft: the names of its one-line boxes that may be kept. Its long
   texts, dates and choices always are; everything else, names and phone numbers of residents above all, never is, and
   of what looks like a phone or identity number in a text only "…" is kept: office computers are shared. Drafts stay in
   this browser, under the account and the form's address, for a week at most; they go when the form has been taken,
   when somebody says so, and with signing out. The script element says the account and the words to show. */
"use strict";

(function () {
  const told = document.currentScript.dataset;
  const DAYS = 7, QUIET = 400;
  const own = "draft " + told.account + " ";
  let store;
  try { store = window.localStorage; store.length; } catch (error) { return; }

  function path(address) { return new URL(address, location.href).pathname; }

  function read(key) {
    try { return JSON.parse(store.getItem(key)); } catch (error) { return null; }
  }

  function write(key, draft) {
    try { store.setItem(key, JSON.stringify(draft)); } catch (error) { return; }
  }

  function keys() {
    const found = [];
    for (let at = 0; at < store.length; at++) if (store.key(at).indexOf(own) === 0) found.push(store.key(at));
    return found;
  }

  function drop(key) { store.removeItem(key); }

  const forms = Array.from(document.querySelectorAll("form[data-draft]"));
  const here = {};
  forms.forEach(function (form) { here[own + path(form.action)] = form; });

  function version(form) {
    const box = form.querySelector("[name=version]");
    return box ? box.value : "";
  }

  /* ---- What has become of those that were sent ---- */

  const refused = document.querySelector(".error-summary") !== null;
  const from = document.referrer && new URL(document.referrer).origin === location.origin ? path(document.referrer) : "";
  keys().forEach(function (key) {
    const draft = read(key);
    if (!draft || Date.now() - draft.at > DAYS * 86400000) { drop(key); return; }
    if (!draft.sent) return;
    const form = here[key];
    const taken = form ? !refused && version(form) !== draft.sent.version : from === draft.sent.page;
    if (taken) { drop(key); return; }
    if (form) { draft.sent = null; write(key, draft); }
  });

  /* ---- Each form of the page ---- */

  function boxes(form) {
    const named = form.dataset.draft.split(" ");
    return Array.from(form.elements).filter(function (box) {
      if (!box.name || box.name.charAt(0) === "_") return false;
      if (/^(textarea|select-one|radio|checkbox|date)$/.test(box.type)) return true;
      return box.type === "text" && named.indexOf(box.name) >= 0;
    });
  }

  function typed(form) {
    const values = {};
    boxes(form).forEach(function (box) {
      if (box.type === "radio") { if (box.checked) values[box.name] = box.value; }
      else if (box.type === "checkbox") values[box.name] = box.checked;
      else values[box.name] = box.value.replace(/\d[\d \-]{5,}[\dxX]/g, "…");
    });
    return values;
  }

  function resume(form, values) {
    boxes(form).forEach(function (box) {
      if (!(box.name in values)) return;
      if (box.type === "radio") box.checked = values[box.name] === box.value;
      else if (box.type === "checkbox") box.checked = values[box.name];
      else box.value = values[box.name];
    });
  }

  function button(words, kind, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button button-" + kind;
    made.textContent = words;
    made.addEventListener("click", act);
    return made;
  }

  function offer(form, key, draft) {
    const notice = document.createElement("div");
    notice.className = "notice notice-info draft";
    notice.setAttribute("role", "status");
    const words = document.createElement("p");
    words.textContent = told.offer;
    const actions = document.createElement("div");
    actions.className = "actions";
    actions.appendChild(button(told.resume, "solid", function () {
      resume(form, draft.values);
      notice.parentNode.removeChild(notice);
      (boxes(form)[0] || form).focus();
    }));
    actions.appendChild(button(told.drop, "outline", function () {
      drop(key);
      notice.parentNode.removeChild(notice);
    }));
    notice.appendChild(words);
    notice.appendChild(actions);
    form.parentNode.insertBefore(notice, form);
  }

  Object.keys(here).forEach(function (key) {
    const form = here[key], drawn = JSON.stringify(typed(form)), draft = read(key);
    let timer = 0;
    /* A form that was refused comes back as it was typed. */
    if (draft && !refused && JSON.stringify(draft.values) !== drawn) offer(form, key, draft);

    function keep() {
      timer = 0;
      const values = typed(form);
      if (JSON.stringify(values) === drawn) drop(key); else write(key, { at: Date.now(), values: values });
    }

    function soon() { clearTimeout(timer); timer = setTimeout(keep, QUIET); }
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    form.addEventListener("submit", function () {
      clearTimeout(timer);
      timer = 0;
      write(key, { at: Date.now(), values: typed(form), sent: { page: location.pathname, version: version(form) } });
    });
    window.addEventListener("pagehide", function () { if (timer) keep(); });
  });

  document.querySelectorAll("form[action]").forEach(function (form) {
    if (path(form.action) !== told.signOut) return;
    form.addEventListener("submit", function () { keys().forEach(drop); });
  });
})();

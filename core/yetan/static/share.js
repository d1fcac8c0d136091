/* Sending a page on: a phone's own way of sharing, elsewhere a copy of the address. Without script, or where neither is
   there, nothing is missing but the button. The script element says the words: data-send, data-copy, data-copied. */
"use strict";

(function () {
  const script = document.currentScript, told = script.dataset;
  const sends = Boolean(navigator.share), copies = navigator.clipboard && navigator.clipboard.writeText;
  if (!sends && !copies) return;
  const address = location.origin + location.pathname;

  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-outline";
  button.textContent = sends ? told.send : told.copy;
  const status = document.createElement("span");
  status.className = "note";
  status.setAttribute("role", "status");
  button.addEventListener("click", function () {
    if (sends) {
      navigator.share({ title: document.title, url: address }).catch(function () { return; });
      return;
    }
    navigator.clipboard.writeText(address).then(function () { status.textContent = told.copied; }, function () {
      status.textContent = address;
    });
  });
  script.parentNode.append(button, status);
})();

// For the keyboard and screen readers: what scrolls can be reached, folds of the menu have names.
(() => {
  "use strict";

  function reachScrolling() {
    for (const each of document.querySelectorAll(".bd-article :is(div, table, pre)")) {
      const scrolls = each.scrollWidth > each.clientWidth + 1
        && ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
      if (scrolls && !each.hasAttribute("tabindex")) each.tabIndex = 0;
    }
  }

  function nameFolds() {
    for (const summary of document.querySelectorAll(".bd-sidenav summary")) {
      const page = summary.closest("li").querySelector("a");
      summary.setAttribute("aria-label", `Pages under ${page.textContent.trim()}`);
    }
  }

  function listReferences() {
    // docutils makes a list of entries whose role is none of a list's.
    for (const each of document.querySelectorAll(".citation-list > .citation")) {
      each.setAttribute("role", "listitem");
    }
  }

  document.addEventListener("DOMContentLoaded", nameFolds);
  document.addEventListener("DOMContentLoaded", listReferences);
  window.addEventListener("load", reachScrolling);
  window.addEventListener("resize", reachScrolling);
})();

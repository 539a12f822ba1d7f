// Draws the interactive charts from the specifications in the page, and draws them again as the filters choose.
"use strict";
for (const part of document.querySelectorAll(".chart")) {
  const specification = JSON.parse(document.getElementById(part.dataset.specification).textContent);
  // Errors only: that a filter leaves a layer without a mark is no news.
  vegaEmbed(part, specification, { actions: false, renderer: "svg", ast: false, logLevel: 1 }).then(({ view }) => {
    // The part has words of its own, and the tables have the figures.
    part.querySelector("svg").setAttribute("aria-hidden", "true");
    const signals = Object.keys(view.getState().signals);
    const chosen = () => {
      const values = { where: place().label, metric: shown.metric, without: [...shown.without] };
      for (const name of Object.keys(values)) if (signals.includes(name)) view.signal(name, values[name]);
      return view.runAsync();
    };
    drawers.push(chosen);
    return chosen();
  }).catch((error) => {
    part.textContent = `This chart could not be drawn: ${error.message}`;
  });
}

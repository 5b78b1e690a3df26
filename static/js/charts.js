/* Draws every [data-chart] with ECharts: one palette for light and dark, ¥ and 万/亿 on axes, exact texts on hover, a click
   opens the records behind. The chart's data stands beside it as JSON; nothing here asks the server. */
(function () {
  "use strict";

  var words = JSON.parse((document.getElementById("chart-words") || {}).textContent || "{}");
  var zh = words.locale === "zh";
  var palettes = {
    light: ["#0b7667", "#d9822b", "#3b7cc4", "#b84a76", "#7659b5", "#5b9a3c", "#b5473a", "#77858a"],
    dark: ["#33b39e", "#f0b057", "#74abeb", "#e88bb1", "#b29be6", "#8fcf74", "#ef8c7e", "#9aa8a6"]
  };
  var narrow = window.matchMedia("(max-width: 640px)");

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function look() {
    var dark = document.documentElement.dataset.bsTheme === "dark";
    return {
      colors: palettes[dark ? "dark" : "light"], text: token("--text"), soft: token("--text-2"), line: token("--line"),
      surface: token("--surface"), raised: token("--raised"), accentSoft: token("--accent-soft"), font: token("--font")
    };
  }

  /* ---- numbers ---- */

  function trim(number, digits) {
    return number.toLocaleString("en-US", { maximumFractionDigits: digits });
  }

  /* The short form for axes and labels: ¥12.3万, 1.2亿; 12.3K, 4.5M in English. */
  function short(value, unit) {
    if (value === null || value === undefined) return "";
    var n = value * unit.factor;
    var size = Math.abs(n);
    var steps = zh ? [[1e8, "亿"], [1e4, "万"]] : [[1e9, "B"], [1e6, "M"], [1e4, "K", 1e3]];
    var text = null;
    steps.some(function (step) {
      if (size < step[0]) return false;
      var m = size / (step[2] || step[0]);
      text = trim(m, m >= 100 ? 0 : m >= 10 ? 1 : 2) + step[1];
      return true;
    });
    return (n < 0 ? "-" : "") + unit.before + (text || trim(size, size >= 100 ? 0 : 2)) + unit.after;
  }

  /* A round step in the unit that people read: stored values are 分 or ten-thousandths. */
  function axis(series, theme, extra) {
    return Object.assign({
      type: "value",
      axisLabel: { color: theme.soft, fontSize: 12, formatter: function (v) { return short(v / series.unit.factor, series.unit); } },
      splitLine: { lineStyle: { color: theme.line } },
      splitNumber: 4
    }, extra);
  }

  function plain(series) {
    return series.values.map(function (v) { return v === null ? null : v * series.unit.factor; });
  }

  /* ---- options ---- */

  function base(theme) {
    return {
      color: theme.colors,
      textStyle: { fontFamily: theme.font, color: theme.text },
      animationDuration: 300,
      animationDurationUpdate: 200,
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: theme.raised, borderColor: theme.line,
        textStyle: { color: theme.text, fontSize: 13, lineHeight: 20 }, padding: [8, 12]
      }
    };
  }

  function tooltip(spec) {
    return function (found) {
      var points = Array.isArray(found) ? found : [found];
      var at = points[0].dataIndex;
      var lines = [spec.categories[at]];
      points.forEach(function (point) {
        var series = spec.series[point.seriesIndex];
        if (series && series.values[at] !== null) lines.push(series.name + "  " + series.texts[at]);
      });
      if (spec.series.some(function (s) { return s.urls[at]; })) lines.push("{hint|" + words.hint + "}");
      return lines.join("\n");
    };
  }

  function hinted(option, theme) {
    option.tooltip.textStyle.rich = { hint: { color: theme.soft, fontSize: 12 } };
    return option;
  }

  function cartesian(spec, theme, stacked) {
    var kind = spec.kind === "area" ? "line" : spec.kind;
    var flat = kind === "bar" && !spec.time && spec.series.length === 1;
    var count = spec.categories.length;
    var many = spec.series.length > 1;
    var units = spec.series.map(function (s) { return s.unit.before + s.unit.after; });
    var second = units.some(function (u) { return u !== units[0]; });
    var category = {
      type: "category", data: spec.categories, inverse: flat, axisTick: { show: false },
      axisLine: { show: !flat, lineStyle: { color: theme.line } },
      axisLabel: { color: flat ? theme.text : theme.soft, fontSize: 12, hideOverlap: true, overflow: "truncate", width: flat ? (narrow.matches ? 76 : 120) : undefined }
    };
    var option = base(theme);
    option.grid = { left: 4, right: flat ? 72 : 12, top: many ? 40 : flat ? 4 : 24, bottom: 4, containLabel: true };
    option.legend = many ? { type: "scroll", top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: theme.soft, fontSize: 12 } } : undefined;
    Object.assign(option.tooltip, { trigger: "axis", formatter: tooltip(spec), axisPointer: { type: kind === "bar" ? "shadow" : "line", shadowStyle: { color: theme.soft, opacity: 0.08 }, lineStyle: { color: theme.line } } });
    var values = flat ? axis(spec.series[0], theme, { show: false }) : axis(spec.series[0], theme);
    var right = second ? axis(spec.series[units.findIndex(function (u) { return u !== units[0]; })], theme, { splitLine: { show: false } }) : null;
    option[flat ? "yAxis" : "xAxis"] = category;
    option[flat ? "xAxis" : "yAxis"] = right ? [values, right] : values;
    option.series = spec.series.map(function (series, index) {
      var label = !stacked && kind === "bar" && !many && (flat || count <= (narrow.matches ? 6 : 14));
      return {
        name: series.name, type: kind, data: plain(series), yAxisIndex: right && units[index] !== units[0] ? 1 : 0,
        stack: stacked && spec.kind !== "line" ? "all" : undefined, barMaxWidth: flat ? 20 : 44, cursor: series.urls.some(Boolean) ? "pointer" : "default",
        itemStyle: kind === "bar" ? { borderRadius: stacked ? 0 : flat ? [0, 3, 3, 0] : [3, 3, 0, 0], opacity: series.compared ? 0.45 : 1 } : undefined,
        areaStyle: spec.kind === "area" ? { opacity: 0.16 } : undefined, smooth: false, showSymbol: kind === "line" && count <= 40, symbolSize: 6,
        lineStyle: kind === "line" ? { width: 2, type: series.compared ? "dashed" : "solid" } : undefined,
        label: { show: label, position: flat ? "right" : "top", color: theme.soft, fontSize: 12, formatter: function (p) { return short(series.values[p.dataIndex], series.unit); } },
        labelLayout: { hideOverlap: true }
      };
    });
    return hinted(option, theme);
  }

  function pie(spec, theme) {
    var series = spec.series[0];
    var total = series.values.reduce(function (a, b) { return a + (b || 0); }, 0);
    var option = base(theme);
    option.tooltip.trigger = "item";
    option.tooltip.formatter = function (p) {
      return spec.categories[p.dataIndex] + "\n" + series.texts[p.dataIndex] + "  " + p.percent.toFixed(1) + "%" + (series.urls[p.dataIndex] ? "\n{hint|" + words.hint + "}" : "");
    };
    option.title = { text: short(total, series.unit), subtext: series.name, left: "center", top: "center", itemGap: 2, textStyle: { fontSize: 18, fontWeight: 600, color: theme.text }, subtextStyle: { fontSize: 12, color: theme.soft } };
    option.series = [{
      type: "pie", radius: narrow.matches ? ["40%", "58%"] : ["46%", "66%"], center: ["50%", "50%"], avoidLabelOverlap: true, minAngle: 2, cursor: "pointer",
      itemStyle: { borderColor: theme.surface, borderWidth: 2 },
      label: { color: theme.text, fontSize: 12, lineHeight: 16, formatter: function (p) { return p.name + "\n{sub|" + p.percent.toFixed(1) + "%}"; }, rich: { sub: { color: theme.soft, fontSize: 12 } } },
      labelLine: { length: 14, length2: narrow.matches ? 4 : 10, minTurnAngle: 90, lineStyle: { color: theme.line } },
      data: spec.categories.map(function (name, i) { return { name: name, value: Math.max(0, series.values[i] || 0) }; })
    }];
    return hinted(option, theme);
  }

  function funnel(spec, theme) {
    var series = spec.series[0];
    var option = base(theme);
    option.tooltip.trigger = "item";
    option.tooltip.formatter = function (p) { return spec.categories[p.dataIndex] + "\n" + series.texts[p.dataIndex] + (series.urls[p.dataIndex] ? "\n{hint|" + words.hint + "}" : ""); };
    option.series = [{
      type: "funnel", sort: "none", left: 8, right: narrow.matches ? 90 : 140, top: 8, bottom: 8, gap: 2, minSize: "4%", cursor: "pointer",
      label: { position: "right", color: theme.text, fontSize: 12, formatter: function (p) { return spec.categories[p.dataIndex] + "  " + short(series.values[p.dataIndex], series.unit); } },
      labelLine: { lineStyle: { color: theme.line } }, itemStyle: { borderColor: theme.surface },
      data: spec.categories.map(function (name, i) { return { name: name, value: series.values[i] || 0 }; })
    }];
    return hinted(option, theme);
  }

  function heatmap(spec, theme) {
    var option = base(theme);
    var cells = [];
    var most = 0;
    spec.series.forEach(function (series, y) {
      series.values.forEach(function (value, x) {
        cells.push([x, y, value || 0]);
        most = Math.max(most, value || 0);
      });
    });
    var label = { color: theme.soft, fontSize: 12, hideOverlap: true };
    option.grid = { left: 4, right: 8, top: 8, bottom: 48, containLabel: true };
    option.xAxis = { type: "category", data: spec.categories, axisTick: { show: false }, axisLine: { show: false }, axisLabel: label };
    option.yAxis = { type: "category", data: spec.series.map(function (s) { return s.name; }), inverse: true, axisTick: { show: false }, axisLine: { show: false }, axisLabel: label };
    option.visualMap = { min: 0, max: most || 1, calculable: false, orient: "horizontal", left: "center", bottom: 0, itemHeight: 120, itemWidth: 12, text: [spec.series.length ? short(most, spec.series[0].unit) : "", "0"], textStyle: { color: theme.soft, fontSize: 12 }, inRange: { color: [theme.accentSoft, theme.colors[0]] } };
    option.tooltip.formatter = function (p) { return spec.categories[p.data[0]] + "  " + spec.series[p.data[1]].name + "\n" + spec.series[p.data[1]].texts[p.data[0]]; };
    option.series = [{ type: "heatmap", data: cells, itemStyle: { borderColor: theme.surface, borderWidth: 2, borderRadius: 3 }, emphasis: { itemStyle: { borderColor: theme.text } } }];
    return option;
  }

  function options(spec, theme) {
    if (spec.kind === "pie") return pie(spec, theme);
    if (spec.kind === "funnel") return funnel(spec, theme);
    if (spec.kind === "heatmap") return heatmap(spec, theme);
    return cartesian(spec, theme, spec.crossed);
  }

  /* ---- life ---- */

  function setUp(figure) {
    var canvas = figure.querySelector(".chart-canvas");
    if (!canvas || figure.chart || !window.echarts) return;
    var spec = JSON.parse(figure.querySelector("script").textContent);
    var chart = window.echarts.init(canvas, null, { renderer: "canvas" });
    figure.chart = chart;
    figure.spec = spec;
    draw(figure);
    chart.on("click", function (found) {
      var heat = spec.kind === "heatmap";
      var series = spec.series[heat ? found.data[1] : found.seriesIndex];
      var url = series && series.urls[heat ? found.data[0] : found.dataIndex];
      if (url) window.location.assign(url);
    });
    new ResizeObserver(function () {
      if (canvas.clientWidth && canvas.clientHeight) chart.resize();
    }).observe(canvas);
  }

  function draw(figure) {
    figure.chart.setOption(options(figure.spec, look()), true);
  }

  function all(root) {
    var found = Array.prototype.slice.call((root || document).querySelectorAll("[data-chart]"));
    if (root && root.matches && root.matches("[data-chart]")) found.push(root);
    return found;
  }

  /* The nearest chart to a button: in its tile or on its page. */
  function chartOf(button) {
    return (button.closest(".tile") || document).querySelector("[data-chart]");
  }

  function toggleTable(button) {
    var figure = chartOf(button);
    if (!figure) return;
    var table = figure.nextElementSibling;
    var text = button.querySelector("span");
    figure.hidden = !figure.hidden;
    table.hidden = !figure.hidden;
    text.textContent = figure.hidden ? words.chart : words.table;
    if (!figure.hidden) figure.chart.resize();
    var menu = button.closest("details");
    if (menu) menu.open = false;
  }

  function savePicture(button) {
    var figure = chartOf(button);
    if (!figure || !figure.chart) return;
    var theme = look();
    var title = figure.dataset.chart;
    var option = options(figure.spec, theme);
    option.animation = false;
    var box = document.createElement("div");
    box.className = "chart-print";
    var big = window.echarts.init(box, null, { renderer: "canvas", width: 1000, height: 560, devicePixelRatio: 2 });
    var heading = { text: title, left: 16, top: 12, textStyle: { fontSize: 18, fontWeight: 600, color: theme.text } };
    option.title = option.title ? [heading, option.title] : heading;
    if (option.grid) { option.grid.top += 48; option.grid.left = 16; option.grid.right += 12; option.grid.bottom += 12; }
    if (option.legend) { option.legend.top = 44; option.legend.left = 16; }
    big.setOption(option);
    var link = document.createElement("a");
    link.download = title + ".png";
    link.href = big.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: theme.surface });
    link.click();
    big.dispose();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-chart-table], [data-chart-png]");
    if (!button) return;
    if (button.hasAttribute("data-chart-table")) toggleTable(button);
    else savePicture(button);
  });

  document.addEventListener("htmx:load", function (event) { all(event.target).forEach(setUp); });
  document.addEventListener("htmx:beforeCleanupElement", function (event) {
    all(event.target).forEach(function (figure) { if (figure.chart) figure.chart.dispose(); });
  });
  new MutationObserver(function () {
    all().forEach(function (figure) { if (figure.chart) draw(figure); });
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  narrow.addEventListener("change", function () { all().forEach(function (figure) { if (figure.chart) draw(figure); }); });
  all().forEach(setUp);
})();

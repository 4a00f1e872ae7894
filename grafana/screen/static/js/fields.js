// Grafana's fieldConfig: the defaults, then every override whose matcher fits the field's name.
function matches(matcher, name) {
  if (matcher.id === "byName") return matcher.options === name;
  if (matcher.id === "byRegexp") return regexp(matcher.options).test(name);
  return false;
}

// Grafana writes patterns as /…/.
export function regexp(text) {
  const inside = /^\/(.*)\/([a-z]*)$/.exec(text);
  return inside ? new RegExp(inside[1], inside[2]) : new RegExp(text);
}

function assign(config, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  let at = config;
  for (const key of keys) at = at[key] = { ...(at[key] || {}) };
  at[last] = value;
}

export function fieldConfig(panel, name) {
  const config = structuredClone(panel.fieldConfig.defaults);
  for (const override of panel.fieldConfig.overrides || []) {
    if (!matches(override.matcher, name)) continue;
    for (const { id, value } of override.properties) assign(config, id, value);
  }
  return config;
}

// The label of a code, by Grafana's value mappings: {text, color} or null.
export function mapped(config, value) {
  for (const mapping of config.mappings || []) {
    if (mapping.type === "regex" && regexp(mapping.options.pattern).test(String(value))) {
      const { result } = mapping.options;
      return { text: result.text ?? String(value), color: result.color };
    }
    if (mapping.type === "value" && Object.hasOwn(mapping.options, String(value))) {
      return mapping.options[String(value)];
    }
  }
  return null;
}

// The colour of the highest threshold that the value reaches; "text" is the page's own colour.
export function thresholdColor(config, value) {
  let color = "text";
  for (const step of config.thresholds?.steps || []) {
    if (step.value === null || value >= step.value) color = step.color;
  }
  return color === "text" ? null : color;
}

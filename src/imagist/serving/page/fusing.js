// The fusion of the two classifiers' probabilities: y = (1 - w) image + w words, then a temperature.

export function fused(record, weight, temperatures) {
  const image = record.image_probabilities;
  const words = record.text_probabilities;
  const temperature = between(temperatures, weight);
  const names = Object.keys(image);
  const raised = names.map((name) => ((1 - weight) * image[name] + weight * words[name]) ** (1 / temperature));
  const sum = raised.reduce((a, b) => a + b, 0) || 1;
  return Object.fromEntries(names.map((name, n) => [name, raised[n] / sum]));
}

// Temperatures are known at weights that are spread evenly over 0 to 1.
function between(values, weight) {
  if (values.length < 2) return values[0] ?? 1;
  const place = weight * (values.length - 1);
  const left = Math.min(Math.floor(place), values.length - 2);
  return values[left] + (place - left) * (values[left + 1] - values[left]);
}

export function best(probabilities) {
  return Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
}

/** Numbers of metrics as people read them. */
import { expect, test } from 'vitest';
import { formatDifference, formatMetric } from './metrics.ts';

test('distances too small for their digits are told from none', () => {
  expect(formatMetric('kl', 8.48e-8)).toBe('8.5 × 10⁻⁸');
  expect(formatMetric('cosine', 1.2e-12)).toBe('1.2 × 10⁻¹²');
  expect(formatMetric('kl', 0)).toBe('0.0000');
  expect(formatMetric('kl', 0.00006)).toBe('0.0001');
  expect(formatDifference('kl', 8.48e-8, 3e-9)).toBe('+8.5 × 10⁻⁸ ± 3.0 × 10⁻⁹');
  expect(formatDifference('kl', 0.026, 0.00001)).toBe('+0.0260 ± 0.0000');
});

test('other metrics keep their digits', () => {
  expect(formatMetric('perplexity', 4.8541)).toBe('4.854');
  expect(formatDifference('perplexity', 0.0001, 0.02)).toBe('+0.000 ± 0.020');
  expect(formatDifference('accuracy', -0.018, 0.004)).toBe('−1.8 ± 0.4 points');
});

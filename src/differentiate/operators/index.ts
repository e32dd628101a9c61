/** All operators that can be differentiated, by name as `opOf` gives it. Adding one is adding a rule to a table. */
import { elementwise } from './elementwise.ts';
import { movement } from './movement.ts';
import { normalizing } from './normalize.ts';
import { products } from './products.ts';
import type { Rule } from './rule.ts';

export const rules: ReadonlyMap<string, Rule> = new Map(
  Object.entries({ ...elementwise, ...movement, ...normalizing, ...products((name) => elementwise[name]) }),
);

/**
 * Control: every layer of the window uses the reference layer's weights as they are. Shows what averaging is worth.
 */
import type { MergeMethod } from '../method.ts';

export const copyAnchor: MergeMethod = {
  id: 'copy',
  label: 'Copy the anchor',
  needsAlignment: false,
  async merge({ layers, reference }) {
    return new Map([...layers[reference]].map(([role, { data }]) => [role, data]));
  },
};

/** The thin React binding: the store comes from a context, a component takes the part that it shows. */
import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import type { StudioStore } from './studio.ts';
import type { StudioState } from './types.ts';

export const StudioContext = createContext<StudioStore | null>(null);

export function useStudioStore(): StudioStore {
  const store = useContext(StudioContext);
  if (!store) throw new Error('A component of the studio is outside of its context.');
  return store;
}

/** The selector must return the same object for the same state. */
export function useStudio<T>(selector: (state: StudioState) => T): T {
  return useStore(useStudioStore(), selector);
}

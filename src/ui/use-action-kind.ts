/** One filled button at a time: the action of the step that is next. The others of its size are outlined. */
import { useStudio } from '../store/react.ts';
import { doneSteps, nextStep } from '../store/steps.ts';
import type { Step } from '../store/types.ts';

export function useActionKind(step: Step): 'primary' | 'main' {
  return useStudio((state) => (nextStep(doneSteps(state)) === step ? 'primary' : 'main'));
}

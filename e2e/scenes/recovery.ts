/** The recover step on the small trained model: ready, chosen rungs, running with its curve, cancelled, done, no gain. */
import { quickModel } from '../support/quick-model.ts';
import { cancelJob, heldStill, pressed, type Scene } from './shots.ts';

export const recovery: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const step = { steps: ['recover'] };
    await studio.openModel(quickModel());
    await studio.measure();
    await take('01-nothing-merged', step);
    await studio.pickWindow(1, 4);
    await studio.merge();
    await take('02-best-in-time', step);
    await studio.chooseRecovery({ rungs: ['R2', 'R3', 'R6'], steps: 3000 });
    await take('03-chosen-rungs', step);
    await pressed(page, 'Recover');
    const figure = page.getByRole('figure', { name: 'Held-out loss of distillation', exact: true });
    // Far enough for a curve.
    await figure.getByText(/, step \d{3,} of/).waitFor({ timeout: 120_000 });
    await heldStill(page, async () => {
      await take('04-running', step);
      await take('05-running-window', { ...step, window: true });
    });
    await cancelJob(page);
    await take('06-cancelled', step);
    await studio.undoRecovery();
    await studio.recover({ rungs: ['R0b'] });
    await take('07-no-gain', step);
    await studio.recover({ rungs: ['R0b', 'R2', 'R3', 'R4', 'R5', 'R6', 'refresh'], steps: 100 });
    await take('08-done', step);
    await take('08-done-window', { ...step, window: true });
    await studio.undoRecovery();
    const tune = { steps: 400, rate: 0.002, batch: 1 };
    await studio.chooseRecovery({ rungs: ['tune'], tune });
    await take('12-tuning-chosen', step);
    await pressed(page, 'Recover');
    const tuning = page.getByRole('figure', { name: /^Tuning/ });
    await tuning.getByText(/Step \d{2,} of/).waitFor({ timeout: 120_000 });
    await tuning.getByText('Best on select so far').waitFor({ timeout: 120_000 });
    await heldStill(page, () => take('13-tuning', step));
    await cancelJob(page);
    await take('14-tuning-paused', step);
    await studio.recover({ rungs: ['tune'], tune: { ...tune, steps: 12 } });
    await take('15-tuned', step);
    await studio.plan(1, { recover: true });
    await take('09-plan-refitted', { steps: ['plan'] });
    await studio.evaluate();
    await take('10-compared', { steps: ['merge', 'compare'] });
    await studio.merge({ method: 'ffn-drop' });
    await take('11-nothing-to-refit', step);
  },
};

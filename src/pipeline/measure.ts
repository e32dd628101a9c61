/**
 * The “see” step: similarity of all pairs of layers, measured on the calibration split.
 *
 * Exact and debiased CKA of FFN outputs and exact CKA of attention outputs come from the same runs of the model.
 * Where the exact statistics of all pairs do not fit the memory set aside, the data is run in several passes.
 */
import { type Dataset, type Padding, readBatch } from '../data/dataset.ts';
import type { FfnGroup } from '../graph/ffn.ts';
import type { Backend, Matrix, Pair } from '../kernels/backend.ts';
import { ckaFromNorms, createExactCka, type ExactCka, overlay } from '../similarity/cka.ts';
import { createDebiasedCka, type DebiasedCka } from '../similarity/debiased-cka.ts';
import { allPairs, pairBytes, planPasses } from '../similarity/memory.ts';
import { toMatrix } from './features.ts';
import type { LiveModel } from './live-model.ts';
import type { Job } from './progress.ts';
import { paddingOn, type Side } from './side.ts';
import type { SimilarityMatrix } from './types.ts';

/** Bytes set aside for accumulators of one pass. */
export const ACCUMULATOR_BUDGET = 1 << 30;

/** CKA matrices of every group. @throws DOMException AbortError where cancelled; nothing is kept then. */
export async function measureSimilarity(
  live: LiveModel,
  groups: readonly FfnGroup[],
  dataset: Dataset,
  backend: Backend,
  job: Job,
): Promise<SimilarityMatrix[]> {
  const plans = groups.map((group) => planGroup(group, backend));
  const passes = Math.max(...plans.map((p) => p.passes.length));
  const batches = dataset.batches('calibrate', dataset.itemsPerBatch);
  job.expect(batches * passes + 1);
  for (let pass = 0; pass < passes; pass++) {
    const measures = plans.map((plan) => startPass(plan, pass, backend, live.sideOf(plan.group)));
    const names = measures.flatMap((m) => m.names);
    try {
      await live.prepare(names, job);
      for (let b = 0; b < batches; b++) {
        const batch = await readBatch(dataset, 'calibrate', b, dataset.itemsPerBatch);
        const outputs = await live.run(batch.feeds, names);
        try {
          for (const m of measures) await m.add(outputs, batch.padding, job.signal);
        } finally {
          for (const output of Object.values(outputs)) output.release();
        }
        await job.step(
          `Measuring similarity, batch ${b + 1} of ${batches}${passes > 1 ? `, pass ${pass + 1} of ${passes}` : ''}`,
        );
      }
      for (const m of measures) await m.finish();
    } finally {
      for (const m of measures) m.dispose();
    }
  }
  await job.step('Similarity measured');
  return plans.flatMap(results);
}

interface GroupPlan {
  readonly group: FfnGroup;
  readonly attention: boolean;
  readonly passes: readonly Pair[][];
  readonly ffnNorms: Float64Array;
  readonly attentionNorms: Float64Array;
  debiased: Float64Array;
  samples: number;
}

function planGroup(group: FfnGroup, backend: Backend): GroupPlan {
  const n = group.ffns.length;
  const attention = group.ffns.every((f) => f.attentionOutput !== undefined);
  // FFN and attention statistics are accumulated side by side.
  const bytes = pairBytes(backend, group.dModel) * (attention ? 2 : 1);
  return {
    group,
    attention,
    passes: planPasses(allPairs(n), bytes, ACCUMULATOR_BUDGET),
    ffnNorms: new Float64Array(n * n).fill(Number.NaN),
    attentionNorms: new Float64Array(n * n).fill(Number.NaN),
    debiased: new Float64Array(n * n).fill(Number.NaN),
    samples: 0,
  };
}

interface PassMeasure {
  readonly names: readonly string[];
  add(
    outputs: Record<string, import('../runtime/session.ts').OutputTensor>,
    padding: Padding | undefined,
    signal?: AbortSignal,
  ): Promise<void>;
  finish(): Promise<void>;
  dispose(): void;
}

function startPass(plan: GroupPlan, pass: number, backend: Backend, side: Side): PassMeasure {
  const { group } = plan;
  const n = group.ffns.length;
  const pairs = plan.passes[pass];
  if (!pairs) return { names: [], add: async () => {}, finish: async () => {}, dispose: () => {} };
  const ffn: ExactCka = createExactCka(backend, n, pairs);
  const attention = plan.attention ? createExactCka(backend, n, pairs) : undefined;
  const debiased: DebiasedCka | undefined = pass === 0 ? createDebiasedCka(backend, n) : undefined;
  const outputNames = group.ffns.map((f) => f.output);
  const attentionNames = plan.attention ? group.ffns.map((f) => f.attentionOutput!) : [];
  return {
    names: [...outputNames, ...attentionNames],
    async add(outputs, padding, signal) {
      const withMatrices = async (names: readonly string[], use: (m: Matrix[]) => Promise<void>) => {
        const matrices: Matrix[] = [];
        try {
          for (const name of names)
            matrices.push(await toMatrix(backend, outputs[name], group.dModel, paddingOn(side, padding)));
          await use(matrices);
          // A GPU reads the runtime's buffers until its queue is done with them.
          await backend.sync();
        } finally {
          backend.release(...matrices);
        }
      };
      await withMatrices(outputNames, async (m) => {
        await ffn.add(m, signal);
        await debiased?.add(m, signal);
      });
      if (attention) await withMatrices(attentionNames, (m) => attention.add(m, signal));
    },
    async finish() {
      overlay(plan.ffnNorms, await ffn.norms());
      if (attention) overlay(plan.attentionNorms, await attention.norms());
      // Batches of fewer than four rows have no debiased estimate.
      if (debiased && debiased.samples > 0) plan.debiased = await debiased.finish();
      plan.samples = ffn.samples;
    },
    dispose() {
      ffn.dispose();
      attention?.dispose();
      debiased?.dispose();
    },
  };
}

function results(plan: GroupPlan): SimilarityMatrix[] {
  const size = plan.group.ffns.length;
  const base = { groupId: plan.group.id, size, samples: plan.samples };
  return [
    { ...base, kind: 'cka', values: ckaFromNorms(plan.ffnNorms, size) },
    { ...base, kind: 'cka-debiased', values: plan.debiased },
    ...(plan.attention
      ? [{ ...base, kind: 'attention' as const, values: ckaFromNorms(plan.attentionNorms, size) }]
      : []),
  ];
}

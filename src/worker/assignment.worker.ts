/** A thread that solves assignments, one at a time. See assignment-pool.ts. */
import { solveAssignment } from '../align/assignment.ts';

export interface AssignmentRequest {
  readonly score: Float32Array;
  readonly size: number;
}
export type AssignmentReply =
  | { readonly permutation: Uint32Array; readonly objective: number }
  | { readonly error: string };

self.onmessage = ({ data }: MessageEvent<AssignmentRequest>) => {
  let reply: AssignmentReply;
  try {
    const { permutation, objective } = solveAssignment(data.score, data.size);
    reply = { permutation: permutation.indices, objective };
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  self.postMessage(reply);
};

/** The page's explanations: what is measured, why merging may reorder units, what tying and recovery do. */
import { CkaToyView } from './cka-toy.tsx';
import { Explain } from './explain.tsx';
import { FoldDrawing } from './fold-drawing.tsx';
import { PermuteToy } from './permute-toy.tsx';

export function WhatIsCka() {
  return (
    <Explain question="What is CKA?" paper="How the paper uses it (arXiv 2501.06126)">
      <p>
        Two layers give each token a point in a space. Centered kernel alignment asks whether the two clouds
        have the same shape. Turning or scaling one as a whole changes nothing; other points do.
      </p>
      <CkaToyView />
    </Explain>
  );
}

export function WhyPermute() {
  return (
    <Explain question="Why is a permutation free?" paper="The alignment in the paper (arXiv 2501.06126)">
      <p>
        An FFN adds up what its hidden units give. In another order the sum is the same, as long as each unit
        takes its outgoing weights along. So units of two layers may be lined up before they are averaged.
      </p>
      <PermuteToy />
    </Explain>
  );
}

export function WhatTyingDoes() {
  return (
    <Explain question="What does tying do?" paper="What the paper gains by it (arXiv 2501.06126)">
      <p>
        The layers of a set point to one stored copy. The file holds it once; every layer still runs it, on
        its own input. So the model gets smaller, and not faster.
      </p>
      <FoldDrawing />
    </Explain>
  );
}

export function WhatRecoveryDoes() {
  return (
    <Explain question="What does recovery do?">
      <p>
        One shared FFN cannot give what several gave. Recovery runs the calibrate split through the original
        and solves for the shared weights, and small vectors of each layer’s own, that come closest to it.
      </p>
      <p>
        What helps on the select split is kept, the rest is undone. Nothing is chosen by the report split, so
        its score stays fair. The paper trains the merged model instead; this needs no training of the whole.
      </p>
    </Explain>
  );
}

/** The page's explanations: where a model comes from, what is measured, why merging may reorder units, what tying and recovery do. */
import { CkaToyView } from './cka-toy.tsx';
import { Explain } from './explain.tsx';
import { FoldDrawing } from './fold-drawing.tsx';
import { PermuteToy } from './permute-toy.tsx';

const HUB = 'https://huggingface.co/models?library=onnx';

export function WhereToGetAModel() {
  return (
    <Explain question="Where do I get a model?">
      <p>
        This page never fetches one: nothing comes in but what you drop, and nothing goes out. So it needs
        files that are on your machine. To begin with, take a small one, of up to some hundred megabytes.
      </p>
      <p>
        <strong>Download one.</strong> <a href={HUB}>Hugging Face lists models that have ONNX files</a>. On a
        model’s page, open <em>Files and versions</em>, and save from its folder <code>onnx</code> the file{' '}
        <code>model.onnx</code> and, where there is one, <code>model.onnx_data</code>; from the folder above,{' '}
        <code>config.json</code> and <code>tokenizer.json</code> (for images,{' '}
        <code>preprocessor_config.json</code>). A translator or recogniser has two,{' '}
        <code>encoder_model.onnx</code> and <code>decoder_model.onnx</code>. Drop them all together.
      </p>
      <p>
        <strong>Or make one</strong> from PyTorch, in a terminal with Python; then drop the folder:
      </p>
      <pre>
        <code>
          pip install "optimum-onnx[onnxruntime]"{'\n'}optimum-cli export onnx --model gpt2 my-folder/
        </code>
      </pre>
      <p>Besides the model you need a text of your own, or images, to measure it on. Step 2 asks for them.</p>
    </Explain>
  );
}

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

/** What the guided tour says: one sentence a step, one thing to do, and the control that does it. */
import type { TourStepId } from '../store/types.ts';

export interface TourWords {
  readonly title: string;
  readonly why: string;
  readonly act: string;
  /** The control, as a selector inside the step's section. */
  readonly control: string;
  /** What is ringed, where not the control itself. */
  readonly ring?: string;
}

export const TOUR_WORDS: Record<TourStepId, TourWords> = {
  open: {
    title: 'Open a model',
    why: 'A small GPT-2 of 12 layers comes with the page.',
    act: 'Open the sample Shakespeare GPT-2.',
    control: '.samples button',
  },
  measure: {
    title: 'Measure',
    why: 'The sample’s text runs through the model, and the outputs of its FFNs are compared.',
    act: 'Press Measure similarity. It takes a few seconds.',
    control: '.calibrate-act > .button',
  },
  pick: {
    title: 'Pick a window',
    why: 'Bright cells beside the diagonal are neighbours that do alike work.',
    act: 'Drag along the diagonal from 1 to 4, or press Enter on both cells.',
    control: '[role="gridcell"][tabindex="0"], .matrix-scroll',
    ring: '.heatmap-square',
  },
  merge: {
    title: 'Merge',
    why: 'Hidden units are lined up, averaged, and stored once for all layers of the window.',
    act: 'Press Merge and watch the layers fold.',
    control: '.merge-act > .button',
  },
  recover: {
    title: 'Recover',
    why: 'Two quick rungs are ticked: they refit what the merge lost.',
    act: 'Press Recover. It takes some seconds.',
    control: '.recover-go .button',
  },
  compare: {
    title: 'Compare',
    why: 'Nothing was chosen by the report split, so its score is fair.',
    act: 'Press Evaluate on the report split.',
    control: '.act-row .button',
  },
  download: {
    title: 'Download',
    why: 'Tied weights are stored once: the file is really smaller.',
    act: 'Save the merged model.',
    control: '.download-row .button',
  },
};

export const TOUR_END = {
  title: 'That is the whole way',
  text: 'Your own model goes the same way: drop its folder at the top of the page. Sweep and Plan choose windows for you.',
};

/** The id of the button in the header, where the focus goes when the tour ends. */
export const TOUR_BUTTON = 'tour-button';

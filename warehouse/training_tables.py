"""The tables of training: curves, checkpoints, the sweep and its laws, pairs and rollouts."""

from warehouse.table import Outcomes, table

TRAINING_TABLES = (
    table(
        "metrics",
        "Training curves of every trained model: one row for each logged step.",
        """
        stage text pretrain, sweep, mix_proxy, mix_fit, sft, dpo or grpo
        name text name of the step that trained it
        step int optimiser steps done
        tokens int tokens seen
        split text train, validation, ema (the validation split under the averaged weights), spike (a step that a roll-back undid) or rollouts
        loss float mean loss in nats per token, or the objective of the stage
        bits_per_byte float loss in bits per UTF-8 byte of text
        lr float learning rate
        grad_norm float global gradient norm before clipping
        position int place of the batch's first row in the order of the data
        event text why the step made no update or was undone: an overflow, a skipped spike, a roll-back; null otherwise
        loss_scale float factor of the loss in the backward pass (float16)
        gradient_signal float unbiased estimate of the square of the true gradient, where the step measured it
        gradient_noise float unbiased estimate of the trace of the covariance of one target's gradient, likewise
        critical_batch_tokens float critical batch size by the measurements so far, running noise over running signal
        accuracy float greedy accuracy on the validation problems (SFT), or share of pairs ordered rightly (DPO)
        n_supervised int supervised tokens of the batch (SFT)
        margin float mean margin of the implicit reward in nats (DPO)
        reward float mean reward of the graded rollouts (GRPO)
        n_rollouts int rollouts sampled (GRPO)
        n_errors int rollouts on which the verifier failed (GRPO)
        n_unfinished int rollouts without a closing token (GRPO)
        n_groups_used int groups with unequal rewards, the ones that teach (GRPO)
        surprisal float mean negative log-probability of a sampled token in nats (GRPO)
        kl float estimated KL divergence from the reference model, nats per token (GRPO)
        clip_fraction float share of tokens whose ratio was clipped (GRPO)
        max_logp_gap float largest difference between the sampler's and the trainer's log-probability (GRPO)
        """,
    ),
    table(
        "checkpoints",
        "Committed checkpoints of training runs.",
        """
        stage text pretrain
        name text name of the step that trains it
        step int optimiser steps done
        tokens int tokens seen
        loss float last training loss in nats per token
        """,
    ),
    table(
        "draws",
        "Which stretches of the training split each step of pretraining or of the sweep read: one row for each window, or for each piece of a packed one; a checkpoint holds those since the one before it.",
        """
        training_key text key of the training step, pretrain or sweep, that read it
        step int optimiser step, counted from 1
        source text part of the split that it was drawn from; all where there is one
        window_id int number of the window within its source
        first_token int its first token, counted from the start of the training split
        n_tokens int tokens that were read from there on
        n_targets int tokens among them that were predicted
        """,
    ),
    table(
        "mixture",
        "How much of each group the mixture of the training split takes.",
        """
        group_name text the group, the parts of its name joined by a slash where it has several
        n_documents int documents of the training split
        n_tokens int their tokens, end-of-text included
        weight float share of the mixture that was wanted
        n_tokens_asked int tokens wanted, under the cap on epochs
        n_tokens_drawn int tokens of the copies that were drawn
        epochs float n_tokens_drawn over n_tokens
        is_capped bool whether the cap on epochs holds it below its weight
        """,
    ),
    table(
        "mixed_documents",
        "How often the mixture holds each document of the training split.",
        """
        doc_id text the document
        group_name text its group
        n_tokens int its tokens, end-of-text included
        n_copies int how often the mixture holds it
        outcome text drawn, or left_out where it holds no copy
        """,
        Outcomes("doc_id", "outcome", "drawn"),
    ),
    table(
        "mixed_shards",
        "Where each copy of a document lies in the training shards of the mixture.",
        """
        doc_id text the document
        copy int number of the copy, from 0
        shard int number of the shard
        start int index of its first token in the shard
        length int tokens, the closing end-of-text token included
        """,
    ),
    table(
        "mix_proxies",
        "Small models trained on mixtures, to learn weights from: one row for each model and group.",
        """
        name text name of the step that trained it; that of mix_fit read the learnt weights
        group_name text the group
        n_tokens int tokens of the group in the training split
        weight float share of the mixture that was wanted
        weight_read float share of the tokens that were drawn
        n_tokens_drawn int tokens of the group that were drawn
        loss float its validation loss at the end, nats per token
        """,
    ),
    table(
        "mix_fit",
        "The regression of the small models' loss on their weights: one row for each form of it.",
        """
        kind text mean (weights explain nothing), linear or quadratic
        ridge float how strongly coefficients are held back
        cv_error float root mean square error on models left out one by one, nats per token
        is_chosen bool whether it is the form with the smallest error, which the weights are from
        predicted_loss float lowest loss it predicts, nats per token; null where it is not chosen
        measured_loss float loss of a small model that read the weights predicted to be best
        proportional_loss float loss of the small model that read the groups in proportion to their tokens
        """,
    ),
    table(
        "sweep_points",
        "One row for each trained point of the IsoFLOP sweep.",
        """
        name text name of the point
        budget_flops float compute budget, 6 N D
        d_model int width
        n_layers int depth
        n_params int parameters N that enter the law
        n_tokens int tokens D
        steps int optimiser steps
        loss float final validation loss in nats per token
        bits_per_byte float the same in bits per byte
        """,
    ),
    table(
        "scaling_optima",
        "Minimum of the IsoFLOP parabola of each budget.",
        """
        budget_flops float compute budget
        n_params float compute-optimal parameters
        n_tokens float compute-optimal tokens
        loss float loss at the minimum
        is_interior bool whether the minimum lies between the measured sizes
        """,
    ),
    table(
        "scaling_fit",
        "Coefficients of the fitted laws.",
        """
        law text n_opt, d_opt, loss_opt or parametric
        parameter text name of the coefficient
        value float fitted value
        low float lower end of the 90% bootstrap interval; null where not estimated
        high float upper end
        """,
    ),
    table(
        "scaling_predictions",
        "Loss predicted for the pretrained model beside the measured one.",
        """
        name text the model
        n_params int parameters
        n_tokens int tokens
        predicted_loss float nats per token
        low float lower end of the 90% interval
        high float upper end
        measured_loss float nats per token on the validation split
        extrapolation float its compute 6 N D over the largest of the sweep
        """,
    ),
    table(
        "preferences",
        "Preference pairs that DPO trained on.",
        """
        problem_id text the problem
        prompt text what was asked
        chosen text the right answer
        rejected text the answer turned down
        kind text wrong or malformed
        logp_reference_chosen float log-probability of the chosen answer under the reference, nats
        logp_reference_rejected float log-probability of the rejected answer under the reference
        """,
    ),
    table(
        "rollouts",
        "Every completion that GRPO sampled.",
        """
        step int optimiser step it was sampled for
        prompt_id text the problem; the rollouts of one problem in one step are a group
        prompt text what was asked
        completion text what the model answered
        answer text the right answer
        grade text right, wrong or error
        reward float reward; null where the verifier failed
        advantage float group-relative advantage; 0 where the verifier failed
        logp_old float log-probability of the completion when it was sampled, nats
        n_tokens int tokens of the completion
        is_finished bool whether the completion closed its turn
        """,
    ),
)

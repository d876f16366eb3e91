"""The tables of training: curves, checkpoints, the sweep and its laws, pairs and rollouts."""

from warehouse.table import table

TRAINING_TABLES = (
    table(
        "metrics",
        "Training curves of every trained model: one row for each logged step.",
        """
        stage text pretrain, sweep, sft, dpo or grpo
        name text name of the step that trained it
        step int optimiser steps done
        tokens int tokens seen
        split text train, validation or rollouts
        loss float mean loss in nats per token, or the objective of the stage
        bits_per_byte float loss in bits per UTF-8 byte of text
        lr float learning rate
        grad_norm float global gradient norm before clipping
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
        "Which windows of the training split each step of pretraining or of the sweep read; a checkpoint holds those since the one before it.",
        """
        training_key text key of the training step, pretrain or sweep, that read it
        step int optimiser step, counted from 1
        window_id int number of the window: tokens [window * context_length, that + context_length]
        context_length int targets in a window
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
